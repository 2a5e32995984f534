//! The book's chapters: the documents that `docs/SUMMARY.md` names, by their paths in the repository.
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use mdbook_summary::{Summary, SummaryItem, parse_summary};

/// The book's table of contents, whose paths are relative to its folder.
pub const SUMMARY: &str = "docs/SUMMARY.md";

/// Reads the table of contents of a repository. Its paths are then relative to the repository.
///
/// # Errors
/// The file cannot be read, or is no table of contents.
pub fn summary(repository: &Path) -> Result<Summary> {
    let text = fs::read_to_string(repository.join(SUMMARY)).context(SUMMARY)?;
    let mut summary = parse_summary(&text).context(SUMMARY)?;
    let parts = [&mut summary.prefix_chapters, &mut summary.numbered_chapters, &mut summary.suffix_chapters];
    parts.into_iter().for_each(|items| rebase(items));
    Ok(summary)
}

fn rebase(items: &mut [SummaryItem]) {
    for item in items {
        if let SummaryItem::Link(link) = item {
            link.location = link.location.take().map(|location| resolve(Path::new(SUMMARY), &location));
            rebase(&mut link.nested_items);
        }
    }
}

/// Returns the paths of all chapters, in their order.
#[must_use]
pub fn paths(summary: &Summary) -> Vec<PathBuf> {
    fn collect(items: &[SummaryItem], paths: &mut Vec<PathBuf>) {
        for item in items {
            if let SummaryItem::Link(link) = item {
                paths.extend(link.location.clone());
                collect(&link.nested_items, paths);
            }
        }
    }
    let mut paths = Vec::new();
    for items in [&summary.prefix_chapters, &summary.numbered_chapters, &summary.suffix_chapters] {
        collect(items, &mut paths);
    }
    paths
}

/// Returns the path that a link in the file `from` leads to. Both are relative to the repository. A path that leaves the repository
/// begins with `..`.
#[must_use]
pub fn resolve(from: &Path, link: &Path) -> PathBuf {
    let mut path = PathBuf::new();
    for component in from.parent().unwrap_or(Path::new("")).join(link).components() {
        match component {
            Component::ParentDir if path.file_name().is_some() => drop(path.pop()),
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_relative_to_its_file() {
        let leads = |from: &str, link: &str| resolve(Path::new(from), Path::new(link)).display().to_string();
        assert_eq!(leads("docs/numa.md", "heap.md"), "docs/heap.md");
        assert_eq!(leads("docs/numa.md", "../README.md"), "README.md");
        assert_eq!(leads("README.md", "./docs/../LICENSE-MIT"), "LICENSE-MIT");
        assert_eq!(leads("docs/numa.md", "../../x"), "../x");
    }
}
