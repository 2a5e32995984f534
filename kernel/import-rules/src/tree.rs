//! The files of a source folder.
use std::fs;
use std::path::{Path, PathBuf};

use crate::outline::{self, Outline};
use crate::source;
use crate::tests_only::without_tests;

/// A source file.
pub struct File {
    /// Its path from the repository's top folder.
    pub path: String,
    /// Its module's path from the crate's root, which is empty for `main.rs` and `lib.rs`.
    pub module: Vec<String>,
    /// Its text.
    pub text: String,
    /// What it declares and names.
    pub outline: Outline,
}

/// The files of a source folder, without those that only tests compile.
pub struct Tree {
    /// The files, by path.
    pub files: Vec<File>,
}

impl Tree {
    /// Reads every `.rs` file under the folder `source` of the repository at `root`.
    pub fn read(root: &Path, source: &str) -> Self {
        let mut paths = Vec::new();
        collect(&root.join(source), &mut paths);
        paths.sort();
        let (mut files, mut tests) = (Vec::new(), Vec::new());
        for path in paths {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let module = module_of(path.strip_prefix(root.join(source)).expect("it was found there"));
            let all = source::tokens(&text);
            let without = without_tests(&all);
            tests
                .extend(without.modules.iter().map(|name| [module.as_slice(), &[name.to_string()]].concat()));
            let outline = outline::outline(&without.tokens, &module);
            let path = path.strip_prefix(root).expect("it was found there").display().to_string();
            files.push(File { path, module, text, outline });
        }
        files.retain(|file| !tests.iter().any(|test| file.module.starts_with(test)));
        Self { files }
    }

    /// Returns the file whose module has exactly this path.
    pub fn module(&self, module: &[String]) -> Option<&File> {
        self.files.iter().find(|file| file.module == module)
    }
}

/// Adds every `.rs` file under the folder to `paths`.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Returns the module of a file whose path begins at its crate's root file.
fn module_of(file: &Path) -> Vec<String> {
    let name = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
    let mut module: Vec<_> = file.with_extension("").iter().map(name).collect();
    let is_root = module.len() == 1 && matches!(module[0].as_str(), "main" | "lib");
    if is_root || module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}
