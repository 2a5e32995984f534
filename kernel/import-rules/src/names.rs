//! Rule 5: one name means one thing. No type name stands twice in the kernel, and no file name twice in its layers.
use std::collections::BTreeMap;

use crate::tree::{File, Tree};
use crate::violation::Violation;

/// Folders whose files are named after what they serve in another folder: `arch` holds the machine's half of a file above it,
/// the others export, test, measure or show it.
const NAMED_AFTER_OTHERS: [&str; 5] = ["arch", "exports", "selftest", "bench", "console"];

/// Returns every type and every file whose name one before it has.
pub fn check(kernel: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let (mut types, mut files) = (BTreeMap::new(), BTreeMap::new());
    for file in &kernel.files {
        for (line, name) in &file.outline.types {
            let place = format!("{}:{line}", file.path);
            if let Some(other) = types.get(name) {
                found.push(Violation::new(&file.path, *line, format!("a second type {name}; see {other}")));
            }
            types.entry(name).or_insert(place);
        }
        let Some(name) = layer_file(file) else { continue };
        if let Some(other) = files.insert(name, &file.path) {
            found.push(Violation::new(&file.path, 1, format!("a second file {name}.rs; see {other}")));
        }
    }
    found
}

/// Returns the name of a file of a layer; none for lists of exports.
fn layer_file(file: &File) -> Option<&str> {
    let folder = file.module.first()?;
    let is_list = file.path.ends_with("/mod.rs");
    let counts = !is_list && !NAMED_AFTER_OTHERS.contains(&folder.as_str());
    file.module.last().map(String::as_str).filter(|_| counts)
}
