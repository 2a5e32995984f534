//! Rule 2: no two files of a folder import each other, directly or round a circle.
//!
//! A file `x.rs` and the folder `x/` beside it count as one. A `mod.rs` and a `lib.rs` are lists of what their folder exports:
//! an import through them counts as one of the file that they lead to, and their own imports do not count.
use std::collections::BTreeMap;

use crate::graph::{self, Graph};
use crate::resolve;
use crate::tree::{File, Tree};
use crate::violation::Violation;

/// An arrow between two entries of one folder, and the first place where it is drawn.
struct Arrow {
    from: String,
    to: String,
    file: String,
    line: usize,
}

/// Returns each arrow between files of one folder that is part of a circle, at the first place where it is drawn. `of_folders`
/// says whether the top of the tree has only folders, whose arrows are rule 1's.
pub fn check(tree: &Tree, of_folders: bool) -> Vec<Violation> {
    let mut found: Vec<_> = tree.files.iter().flat_map(|file| globs_of_own_list(tree, file)).collect();
    for (folder, arrows) in arrows(tree).into_iter().filter(|(folder, _)| !of_folders || !folder.is_empty()) {
        let mut graph = Graph::new();
        for arrow in &arrows {
            graph.entry(&arrow.from).or_default().insert(&arrow.to);
        }
        for circle in graph::circles(&graph) {
            let within = |name: &str| circle.contains(name);
            let names = circle.iter().copied().collect::<Vec<_>>().join(", ");
            for arrow in arrows.iter().filter(|arrow| within(&arrow.from) && within(&arrow.to)) {
                let place =
                    if folder.is_empty() { String::new() } else { format!(" of {}", folder.join("::")) };
                let what = format!(
                    "{} imports {}, and both are in the circle{place}: {names}",
                    arrow.from, arrow.to
                );
                found.push(Violation::new(&arrow.file, arrow.line, what));
            }
        }
    }
    found
}

/// Returns each glob of a list of exports above the file: it does not say which files it imports.
fn globs_of_own_list(tree: &Tree, file: &File) -> Vec<Violation> {
    let globs = file.outline.references.iter().filter(|found| found.is_use && found.named.is_glob);
    globs
        .filter(|glob| {
            let path = resolve::absolute(tree, file, glob);
            let target = path.and_then(|path| tree.module(&path));
            target.is_some_and(|target| target.path != file.path && file.module.starts_with(&target.module))
        })
        .map(|glob| {
            let what = "a glob of the folder's own list of exports hides which files are imported";
            Violation::new(&file.path, glob.named.line, what)
        })
        .collect()
}

/// Returns the arrows between the entries of each folder, each once.
fn arrows(tree: &Tree) -> BTreeMap<Vec<String>, Vec<Arrow>> {
    let mut folders: BTreeMap<Vec<String>, Vec<Arrow>> = BTreeMap::new();
    for file in &tree.files {
        for reference in &file.outline.references {
            let Some(path) = resolve::absolute(tree, file, reference) else { continue };
            let Some(target) = resolve::file_of(tree, &path) else { continue };
            let common = file.module.iter().zip(&target.module).take_while(|(from, to)| from == to).count();
            // One is the other, or the list of exports of the other's folder.
            let (Some(from), Some(to)) = (file.module.get(common), target.module.get(common)) else {
                continue;
            };
            let arrows = folders.entry(file.module[..common].to_vec()).or_default();
            if !arrows.iter().any(|arrow| arrow.from == *from && arrow.to == *to) {
                arrows.push(Arrow {
                    from: from.clone(),
                    to: to.clone(),
                    file: file.path.clone(),
                    line: reference.named.line,
                });
            }
        }
    }
    folders
}
