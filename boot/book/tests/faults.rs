//! Faults of documents, each in a small repository: the book is not built, and the fault is named with its place.
use std::fs;

/// Builds the book of a repository with this document, and returns what is wrong with it.
fn fault(document: &str) -> String {
    let repository = tempfile::tempdir().expect("a folder");
    let files = [
        ("docs/SUMMARY.md", "# Contents\n\n[First](../README.md)\n\n- [One](one.md)\n"),
        ("docs/book.toml", "[book]\ntitle = \"Small\"\n"),
        ("docs/one.md", "# One\n\n## Two words\n"),
        ("docs/other.md", "# Other\n"),
        ("docs/pictures/a.svg", "<svg/>"),
        ("source.c", "int x;\n"),
        ("README.md", document),
    ];
    for (path, text) in files {
        let path = repository.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    let output = repository.path().join("target/book");
    match book::build(repository.path(), &output) {
        Ok(first) => {
            assert!(first.is_file() && output.join("docs/one.html").is_file());
            String::new()
        }
        Err(error) => {
            assert!(!output.exists(), "a book with faults is not built");
            error.to_string().replace("the documents have faults:\n", "")
        }
    }
}

#[test]
fn a_sound_document_has_none() {
    assert_eq!(
        fault("# R\n\n[a](docs/one.md#two-words), [b](#r), [c](source.c), [d](https://example.org)\n"),
        ""
    );
}

#[test]
fn a_link_that_leads_nowhere_is_named() {
    assert_eq!(fault("# R\n\n[a](docs/two.md)\n"), "README.md:3: docs/two.md: no such file");
    assert_eq!(fault("[a](docs/one.md#three)\n"), "README.md:1: docs/one.md#three: no such heading");
    assert_eq!(fault("[a](#q)\n"), "README.md:1: #q: no such heading");
    assert_eq!(fault("![a](docs/pictures/b.svg)\n"), "README.md:1: docs/pictures/b.svg: no such file");
    assert_eq!(fault("[a](../x)\n"), "README.md:1: ../x: no such file");
}

#[test]
fn a_link_that_the_book_cannot_have_is_named() {
    assert!(fault("[a](docs/pictures)\n").contains("is a folder"));
    assert!(fault("[a](docs/other.md)\n").contains("is a document that docs/SUMMARY.md does not have"));
    assert!(fault("[a](source.c#L1)\n").contains("has no anchors"));
    assert!(fault("[a](/etc/passwd)\n").contains("is neither a path"));
    assert!(fault("[a](http://example.org)\n").contains("is neither a path"));
}

#[test]
fn a_table_that_loses_cells_is_named() {
    let text = "# R\n\n| a | b |\n|---|---|\n| `1 | 2` | 3 |\n";
    assert_eq!(fault(text), "README.md:5: the row has more or fewer cells than its table");
}

#[test]
fn all_faults_are_named_at_once() {
    assert_eq!(fault("[a](b.md)\n[c](d.md)\n").lines().count(), 2);
}
