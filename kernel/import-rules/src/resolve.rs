//! Which file a path leads to.
use crate::outline::Reference;
use crate::tree::{File, Tree};

/// How often a path may lead on from one `use` to the next. Real ones do so once or twice; a `use` of itself ends here.
const MOST_STEPS: u32 = 8;

/// Returns the path from the crate's root of what `reference`, in `file`, names. Returns none for what another crate holds.
pub fn absolute(tree: &Tree, file: &File, reference: &Reference) -> Option<Vec<String>> {
    absolute_within(tree, file, reference, MOST_STEPS)
}

/// Returns the file that declares what a path from the crate's root names. A file that only passes the name on, as the list of
/// exports of a folder does, leads to the next. A name that is not found belongs to the last file on the way.
pub fn file_of<'t>(tree: &'t Tree, path: &[String]) -> Option<&'t File> {
    declaring(tree, path, MOST_STEPS).or_else(|| last_file(tree, path))
}

fn absolute_within(tree: &Tree, file: &File, reference: &Reference, steps: u32) -> Option<Vec<String>> {
    let parts = &reference.named.parts;
    let first = parts.first()?;
    let child = || [reference.module.as_slice(), std::slice::from_ref(first)].concat();
    let (mut place, skip) = match first.as_str() {
        "crate" => (Vec::new(), 1),
        "self" | "super" => {
            let ups =
                parts.iter().skip(usize::from(first == "self")).take_while(|part| *part == "super").count();
            let here = &reference.module;
            (here[..here.len().saturating_sub(ups)].to_vec(), ups + usize::from(first == "self"))
        }
        name if file.outline.items.contains(name) || tree.module(&child()).is_some() => {
            (reference.module.clone(), 0)
        }
        name => match brought(tree, file, name, steps) {
            Some(path) => (path, 1),
            None => (module_by_glob(tree, file, name, steps)?, 1),
        },
    };
    place.extend_from_slice(&parts[skip..]);
    Some(place)
}

/// Returns the path from the crate's root of what a `use` in `file` calls `name`.
fn brought(tree: &Tree, file: &File, name: &str, steps: u32) -> Option<Vec<String>> {
    let steps = steps.checked_sub(1)?;
    let by_name = |found: &&Reference| found.is_use && found.named.alias.as_deref() == Some(name);
    let found = file.outline.references.iter().find(by_name)?;
    absolute_within(tree, file, found, steps)
}

/// Returns the path from the crate's root of the module `name` that a glob in `file` brings.
fn module_by_glob(tree: &Tree, file: &File, name: &str, steps: u32) -> Option<Vec<String>> {
    let steps = steps.checked_sub(1)?;
    // The path of a glob that begins at a name of its own could lead back here.
    let globs = file.outline.references.iter().filter(|found| {
        found.is_use && found.named.is_glob && found.named.parts.first().is_some_and(|first| first != name)
    });
    globs.filter_map(|glob| absolute_within(tree, file, glob, steps)).find_map(|mut path| {
        path.push(name.to_string());
        tree.module(&path).map(|_| path)
    })
}

/// Returns the file that declares the item at `path`; none if no file does.
fn declaring<'t>(tree: &'t Tree, path: &[String], steps: u32) -> Option<&'t File> {
    let steps = steps.checked_sub(1)?;
    let file = last_file(tree, path)?;
    let Some((name, rest)) = path[file.module.len()..].split_first() else { return Some(file) };
    if file.outline.items.contains(name) {
        return Some(file);
    }
    if let Some(next) = brought(tree, file, name, steps) {
        return declaring(tree, &[next.as_slice(), rest].concat(), steps);
    }
    let mut globs = file.outline.references.iter().filter(|found| found.is_use && found.named.is_glob);
    globs.find_map(|glob| {
        let next = absolute_within(tree, file, glob, steps)?;
        declaring(tree, &[next.as_slice(), std::slice::from_ref(name), rest].concat(), steps)
    })
}

/// Returns the file of the longest module that `path` begins with.
fn last_file<'t>(tree: &'t Tree, path: &[String]) -> Option<&'t File> {
    (0..=path.len()).rev().find_map(|len| tree.module(&path[..len]))
}
