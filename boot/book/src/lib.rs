//! Builds the documents of a repository as a book, with mdBook.
//!
//! The book has the repository's layout: `docs/numa.md` becomes `docs/numa.html`, and what a document links to lies beside it as in the
//! repository. So the same links hold in both.
#![forbid(unsafe_code)]

pub mod chapters;
pub mod links;
pub mod markdown;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;

/// The book's settings.
const SETTINGS: &str = "docs/book.toml";

/// Builds the book of the repository in the folder `output`, and returns its first page.
///
/// # Errors
/// A link leads nowhere, or a row of a table has too many or too few cells; or a file cannot be read or written.
pub fn build(repository: &Path, output: &Path) -> Result<PathBuf> {
    let summary = chapters::summary(repository)?;
    let chapters = chapters::paths(&summary);
    let links = links::follow(repository, &chapters)?;
    if !links.faults.is_empty() {
        bail!("the documents have faults:\n{}", links.faults.join("\n"));
    }
    // mdBook takes a whole folder. This one has the chapters and what they link to, and nothing else of the repository.
    let source = tempfile::tempdir()?;
    for path in chapters.iter().chain(&links.files) {
        copy(&repository.join(path), &source.path().join(path))?;
    }
    let mut config = Config::from_disk(repository.join(SETTINGS)).context(SETTINGS)?;
    config.book.src = PathBuf::new();
    config.build.build_dir = std::path::absolute(output)?;
    MDBook::load_with_config_and_summary(source.path(), config, summary)?.build()?;
    Ok(output.join("index.html"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}
