//! The documents of this repository: all of them are in the book, and what its pages refer to is there.
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use book::{chapters, links};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns all files of a folder and of the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn every_document_is_a_chapter_once() {
    let chapters = chapters::paths(&chapters::summary(&repository()).expect("a table of contents"));
    let unique: HashSet<_> = chapters.iter().collect();
    assert_eq!(unique.len(), chapters.len(), "{chapters:?}");
    for file in files(&repository().join("docs")) {
        let path = file.strip_prefix(repository()).expect("in the repository").to_owned();
        let is_document = path.extension().is_some_and(|ending| ending == "md");
        let is_contents = path == Path::new(chapters::SUMMARY);
        assert!(!is_document || is_contents || chapters.contains(&path), "{} is no chapter", path.display());
    }
}

#[test]
fn the_links_of_all_documents_lead_somewhere() {
    let chapters = chapters::paths(&chapters::summary(&repository()).expect("a table of contents"));
    let links = links::follow(&repository(), &chapters).expect("chapters");
    assert!(links.faults.is_empty(), "{}", links.faults.join("\n"));
    assert!(links.files.contains(Path::new("docs/pictures/two-nodes.svg")), "{:?}", links.files);
}

/// Returns the values of an attribute in a page, without those in text, whose quotes mdBook leaves as they are.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let tags = page.split('<').filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag);
    let start = format!(" {name}=\"");
    tags.filter_map(|tag| tag.split_once(start.as_str())?.1.split_once('"')).map(|(value, _)| value).collect()
}

#[test]
fn everything_that_the_pages_of_the_book_refer_to_is_in_it() {
    let output = tempfile::tempdir().expect("a folder");
    let first = book::build(&repository(), output.path()).expect("a book");
    assert!(first.is_file());
    let mut pages = BTreeMap::new();
    for file in files(output.path()) {
        // These are for printers, servers and browsers without scripts. They have their own base for links.
        let is_special = ["print.html", "404.html", "toc.html"].iter().any(|name| file.ends_with(name));
        if file.extension().is_some_and(|ending| ending == "html") && !is_special {
            pages.insert(file.clone(), fs::read_to_string(&file).expect("a page"));
        }
    }
    let ids: BTreeMap<_, HashSet<_>> = pages
        .iter()
        .map(|(file, page)| (file.clone(), attributes(page, "id").into_iter().collect()))
        .collect();
    let mut followed = 0;
    for (file, page) in &pages {
        for target in attributes(page, "href").into_iter().chain(attributes(page, "src")) {
            if target.starts_with("https://") || target.starts_with("data:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { file.clone() } else { chapters::resolve(file, Path::new(path)) };
            let from = file.strip_prefix(output.path()).expect("in the book").display();
            assert!(path.is_file(), "{from} refers to {target}, which is not there");
            let is_there = anchor.is_empty() || ids.get(&path).is_some_and(|ids| ids.contains(anchor));
            assert!(is_there, "{from} refers to {target}: no such anchor");
            followed += 1;
        }
    }
    assert!(followed > 500, "{followed} references");
    let guide = &pages[&output.path().join("docs/driver-guide.html")];
    assert!(guide.contains("<code class=\"language-c\">") && guide.contains("<table>"));
    let readme = &pages[&output.path().join("README.html")];
    assert!(attributes(readme, "src").contains(&"docs/pictures/two-nodes.svg"));
}
