//! What a document in Markdown refers to, what can be referred to in it, and whether its tables are whole.
use std::collections::HashSet;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// What the links of one document need.
#[derive(Debug, Default, PartialEq)]
pub struct Document {
    /// The links and pictures, in their order.
    pub links: Vec<Link>,
    /// The anchors of the headings.
    pub anchors: HashSet<String>,
    /// The lines of tables that have more or fewer cells than the table's first line: the rest of them is not shown.
    pub uneven_rows: Vec<usize>,
}

/// A link or a picture.
#[derive(Debug, PartialEq)]
pub struct Link {
    /// The number of its line, from 1.
    pub line: usize,
    /// Where it leads, as the document says it.
    pub target: String,
}

/// Reads a document.
#[must_use]
pub fn read(text: &str) -> Document {
    let mut document = Document::default();
    let mut heading: Option<String> = None;
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                document.links.push(Link { line: line(text, range.start), target: dest_url.into_string() });
            }
            Event::Start(Tag::Table(columns)) => {
                let first = line(text, range.start);
                let rows = text[range].lines().enumerate().filter(|(_, row)| cells(row) != columns.len());
                document.uneven_rows.extend(rows.map(|(row, _)| first + row));
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let mut anchors =
                    (0..).map(|n| if n == 0 { anchor.clone() } else { format!("{anchor}-{n}") });
                // A heading that stands twice has a number behind its second anchor.
                let _ = anchors.find(|anchor| document.anchors.insert(anchor.clone()));
            }
            _ => {}
        }
    }
    document
}

/// Returns the number of the line with this byte.
fn line(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// Returns the number of cells of a table's line, which begins and ends with a bar. A bar behind a backslash is text, and one in code
/// is not.
fn cells(row: &str) -> usize {
    row.matches('|').count() - row.matches("\\|").count() - 1
}

/// Returns the anchor of a heading, as GitHub and mdBook make it: small letters, digits and dashes.
fn anchor(heading: &str) -> String {
    let kept = |letter: char| match letter {
        '-' | '_' => Some(letter),
        _ if letter.is_alphanumeric() => Some(letter),
        _ if letter.is_whitespace() => Some('-'),
        _ => None,
    };
    heading.trim().to_lowercase().chars().filter_map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_lines_and_code_has_none() {
        let text = "# A\n\n[one](b.md#c) and `[no](link)`\n\n```c\nint a[1](0);\n```\n\n| ![two](p.svg) |\n|---|\n| [three][r] |\n\n[r]: d.md\n";
        let links = read(text).links;
        let found: Vec<_> = links.iter().map(|link| (link.line, link.target.as_str())).collect();
        assert_eq!(found, [(3, "b.md#c"), (9, "p.svg"), (11, "d.md")]);
    }

    #[test]
    fn a_row_with_other_cells_than_its_table_is_noted() {
        let text = "| a | b |\n|---|---|\n| 1 | `x \\| y` |\n| 2 | `x | y` |\n| 3 |\n\n| c |\n|---|\n| 4 |\n";
        assert_eq!(read(text).uneven_rows, [4, 5]);
    }

    #[test]
    fn an_anchor_has_the_headings_words_and_a_number_where_it_stands_twice() {
        let anchors = read("# `Kernel_Log`, what's it?\n\n## Two\n\n## Two\n").anchors;
        let expected = ["kernel_log-whats-it", "two", "two-1"];
        assert_eq!(anchors, expected.into_iter().map(str::to_owned).collect());
    }
}
