//! Where the links of the book's chapters lead: to a chapter, or to another file of the repository, which then goes with the book.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::chapters::resolve;
use crate::markdown::{self, Document};

/// What the links of all chapters lead to.
#[derive(Debug, Default, PartialEq)]
pub struct Links {
    /// The files that are no chapters: pictures, sources. Their paths are relative to the repository.
    pub files: BTreeSet<PathBuf>,
    /// What is wrong, a line each: `docs/numa.md:12: …`.
    pub faults: Vec<String>,
}

/// Follows all links of the chapters.
///
/// # Errors
/// A chapter cannot be read.
pub fn follow(repository: &Path, chapters: &[PathBuf]) -> Result<Links> {
    let mut documents = BTreeMap::new();
    for path in chapters {
        let text = fs::read_to_string(repository.join(path)).with_context(|| path.display().to_string())?;
        documents.insert(path.clone(), markdown::read(&text));
    }
    let mut links = Links::default();
    for path in chapters {
        for row in &documents[path].uneven_rows {
            let fault = "the row has more or fewer cells than its table";
            links.faults.push(format!("{}:{row}: {fault}", path.display()));
        }
        for link in &documents[path].links {
            match destination(repository, &documents, path, &link.target) {
                Ok(file) => links.files.extend(file),
                Err(fault) => links.faults.push(format!("{}:{}: {fault}", path.display(), link.line)),
            }
        }
    }
    Ok(links)
}

/// Returns the file that a link leads to, if that is no chapter and not elsewhere; or says what is wrong with the link.
fn destination(
    repository: &Path,
    documents: &BTreeMap<PathBuf, Document>,
    from: &Path,
    target: &str,
) -> Result<Option<PathBuf>, String> {
    if target.starts_with("https://") {
        return Ok(None);
    }
    if target.contains(':') || target.starts_with('/') {
        return Err(format!("{target} is neither a path in the repository nor https"));
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { from.to_owned() } else { resolve(from, Path::new(file)) };
    if let Some(document) = documents.get(&path) {
        let is_there = anchor.is_none_or(|anchor| document.anchors.contains(anchor));
        return if is_there { Ok(None) } else { Err(format!("{target}: no such heading")) };
    }
    let real = repository.join(&path);
    if path.starts_with("..") || !real.exists() {
        Err(format!("{target}: no such file"))
    } else if real.is_dir() {
        Err(format!("{target} is a folder, which a book cannot show: name a file"))
    } else if path.extension().is_some_and(|ending| ending == "md") {
        Err(format!("{target} is a document that docs/SUMMARY.md does not have"))
    } else if anchor.is_some() {
        Err(format!("{target}: a file that is no chapter has no anchors"))
    } else {
        Ok(Some(path))
    }
}
