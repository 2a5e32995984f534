//! This repository keeps its import rules.
use std::path::Path;

use import_rules::Violation;

/// Folders whose files still import each other in a circle. A folder that has none any more has to leave the list.
const KNOWN_CIRCLES: &[&str] = &["kernel/src/threads"];

/// Names that still mean two things. A name that means one thing has to leave the list.
const KNOWN_NAMES: &[&str] = &["type Name;", "type State;"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn show(found: &[Violation]) -> String {
    found.iter().map(|violation| format!("{violation}\n")).collect()
}

#[test]
fn every_import_goes_downward_and_none_is_hidden() {
    let found = import_rules::violations(root());
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), show(&found));
}

#[test]
fn no_two_files_of_a_folder_import_each_other() {
    let found = import_rules::circles(root());
    none_but(&found, KNOWN_CIRCLES, |violation, folder| violation.file.starts_with(folder));
}

#[test]
fn a_name_means_one_thing() {
    let found = import_rules::names(root());
    none_but(&found, KNOWN_NAMES, |violation, name| violation.what.contains(name));
}

/// Asserts that each violation is a known one, and that each known one is still there.
#[track_caller]
fn none_but(found: &[Violation], known: &[&str], is: impl Fn(&Violation, &str) -> bool) {
    let new: Vec<_> =
        found.iter().filter(|found| !known.iter().any(|known| is(found, known))).cloned().collect();
    assert!(new.is_empty(), "{} violations:\n{}", new.len(), show(&new));
    let gone: Vec<_> = known.iter().filter(|known| !found.iter().any(|found| is(found, known))).collect();
    assert!(gone.is_empty(), "no longer violated, so take them out of the list: {gone:?}");
}
