//! This repository keeps its import rules.
use std::path::Path;

use import_rules::Violation;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[track_caller]
fn assert_none(found: &[Violation]) {
    let lines: String = found.iter().map(|violation| format!("{violation}\n")).collect();
    assert!(found.is_empty(), "{} violations:\n{lines}", found.len());
}

#[test]
fn every_import_goes_downward_and_none_is_hidden() {
    assert_none(&import_rules::violations(root()));
}

#[test]
fn no_two_files_of_a_folder_import_each_other() {
    assert_none(&import_rules::circles(root()));
}

#[test]
fn a_name_means_one_thing() {
    assert_none(&import_rules::names(root()));
}
