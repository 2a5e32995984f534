//! Rule 1: a folder of the kernel imports only what its row of the document allows.
use std::collections::BTreeSet;

use crate::resolve;
use crate::rules::Rules;
use crate::tree::{File, Tree};
use crate::violation::Violation;

/// Returns the imports that no row allows, files beside `main.rs`, and folders and rows without each other.
pub fn check(rules: &Rules, kernel: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let folders: BTreeSet<_> = kernel.files.iter().filter_map(|file| folder_of(file)).collect();
    for file in &kernel.files {
        match folder_of(file) {
            // `main.rs` connects what must not import each other.
            None => {}
            Some(folder) if file.path == format!("kernel/src/{folder}.rs") => {
                let what = "beside main.rs there are only folders: each file belongs to a layer";
                found.push(Violation::new(&file.path, 1, what));
            }
            Some(folder) => match rules.row(folder) {
                None => found.push(Violation::new(
                    &file.path,
                    1,
                    format!("the folder {folder} has no row in {}", crate::DOCUMENT),
                )),
                Some(row) => {
                    let may =
                        |target: &str| target == folder || row.allowed.iter().any(|name| name == target);
                    found.extend(imports_beyond(kernel, file, folder, &folders, may));
                }
            },
        }
    }
    for row in rules.rows.iter().filter(|row| !folders.contains(row.name.as_str())) {
        found.push(
            rules.violation(row.line, format!("{} has a row, and kernel/src has no such folder", row.name)),
        );
    }
    found
}

/// Returns the imports of a file that lead to folders which `may` refuses.
fn imports_beyond(
    kernel: &Tree,
    file: &File,
    folder: &str,
    folders: &BTreeSet<&str>,
    may: impl Fn(&str) -> bool,
) -> Vec<Violation> {
    let mut found = Vec::new();
    // A relative path begins at a `use`, which is checked itself.
    for reference in file.outline.references.iter().filter(|reference| !reference.is_relative()) {
        let Some(path) = resolve::absolute(kernel, file, reference) else { continue };
        // A name at the crate's root that is no folder: what `main.rs` itself declares or has imported.
        let named = path.first().map(String::as_str).filter(|name| folders.contains(name));
        let target =
            named.or_else(|| resolve::file_of(kernel, &path).and_then(folder_of)).unwrap_or("main.rs");
        if !may(target) {
            let path = if path.is_empty() { target.to_string() } else { path.join("::") };
            let what = format!("{folder} may not import {path}");
            found.push(Violation::new(&file.path, reference.named.line, what));
        }
    }
    found.dedup();
    found
}

/// Returns the folder of `kernel/src` that holds the file; none for `main.rs`.
fn folder_of(file: &File) -> Option<&str> {
    file.module.first().map(String::as_str)
}
