//! Holds `kernel/src` and `kernel/libs` to the import rules of `docs/architecture.md`.
//!
//! The rules themselves are data: the block ` ```imports ` and the crate table of that document. Each check returns every
//! [`Violation`] with its file and line. The checks read source text and not what the compiler makes of it, so they do not see
//! a path that a macro of another crate writes, and they do not see calls through `dyn` or `fn` values. The latter are the
//! registered handlers, which the document lists.
#![forbid(unsafe_code)]

mod circles;
mod crates;
mod folders;
mod graph;
mod hidden;
mod names;
mod outline;
mod paths;
mod resolve;
mod rules;
mod source;
mod tests_only;
mod tree;
mod violation;

use std::path::Path;

pub use violation::Violation;

use rules::Rules;
use tree::Tree;

/// The document that holds the rules, from the repository's top folder.
pub const DOCUMENT: &str = "docs/architecture.md";

/// Returns what breaks the rules on imports between folders and on hidden arrows, and what the crates of `kernel/libs` may not
/// depend on, in the repository at `root`.
///
/// # Panics
/// A folder or file of the repository cannot be read.
#[must_use]
pub fn violations(root: &Path) -> Vec<Violation> {
    let (rules, mut found) = Rules::read(root);
    let kernel = Tree::read(root, "kernel/src");
    found.extend(folders::check(&rules, &kernel));
    found.extend(hidden::check(&kernel));
    found.extend(crates::check(root, &rules));
    found.sort();
    found
}

/// Returns every import that is part of a circle of files of one folder, in `kernel/src` and in each crate of `kernel/libs`.
///
/// # Panics
/// A folder or file of the repository cannot be read.
#[must_use]
pub fn circles(root: &Path) -> Vec<Violation> {
    let crates = crates::folders(root).into_iter().map(|folder| format!("{folder}/src"));
    let mut found = circles::check(&Tree::read(root, "kernel/src"), true);
    found.extend(crates.flat_map(|source| circles::check(&Tree::read(root, &source), false)));
    found.sort();
    found
}

/// Returns the types of `kernel/src` whose name another type has, and the files whose name a file of another layer has.
///
/// # Panics
/// A folder or file of the repository cannot be read.
#[must_use]
pub fn names(root: &Path) -> Vec<Violation> {
    let mut found = names::check(&Tree::read(root, "kernel/src"));
    found.sort();
    found
}
