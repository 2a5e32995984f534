//! What the crates of `kernel/libs` depend on, and whether they forbid unsafe code.
use std::fs;
use std::path::Path;

use crate::rules::{Row, Rules};
use crate::source;
use crate::violation::Violation;

/// Where the crates are, from the repository's top folder.
const LIBS: &str = "kernel/libs";

/// Returns the folders of the crates of `kernel/libs`, from the repository's top folder.
pub fn folders(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join(LIBS)).unwrap_or_else(|error| panic!("{LIBS}: {error}"));
    let names = entries.map(|entry| entry.unwrap_or_else(|error| panic!("{LIBS}: {error}")).file_name());
    let folders = names.map(|name| format!("{LIBS}/{}", name.to_string_lossy()));
    let mut folders: Vec<_> =
        folders.filter(|folder| root.join(folder).join("Cargo.toml").is_file()).collect();
    folders.sort();
    folders
}

/// Returns each dependency that the table of crates does not allow, and crates that have no row or lack `forbid(unsafe_code)`.
pub fn check(root: &Path, rules: &Rules) -> Vec<Violation> {
    folders(root).iter().flat_map(|folder| check_crate(root, rules, folder)).collect()
}

fn check_crate(root: &Path, rules: &Rules, folder: &str) -> Vec<Violation> {
    let manifest = format!("{folder}/Cargo.toml");
    let name = &folder[LIBS.len() + 1..];
    let Some(row) = rules.crates.iter().find(|row| row.name == name) else {
        return vec![Violation::new(&manifest, 1, format!("{name} has no row in {}", crate::DOCUMENT))];
    };
    let text = fs::read_to_string(root.join(&manifest)).unwrap_or_else(|error| panic!("{manifest}: {error}"));
    let mut found = beyond(&text, &manifest, row, &rules.crates);
    let library = format!("{folder}/src/lib.rs");
    let code = fs::read_to_string(root.join(&library)).unwrap_or_else(|error| panic!("{library}: {error}"));
    if row.forbids_unsafe && !forbids_unsafe(&code) {
        found.push(Violation::new(&library, 1, format!("{name} has to say #![forbid(unsafe_code)]")));
    }
    found
}

/// Returns the project's own crates among the dependencies that the row does not allow. Those of tests are free: they are
/// not part of what the kernel is built from.
fn beyond(manifest: &str, path: &str, row: &Row, all: &[Row]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    for (number, line) in (1..).zip(manifest.lines()) {
        let (line, mut names) = (line.trim(), Vec::new());
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            // `[dependencies.NAME]` is a section for one of them.
            let (section, name) = section.rsplit_once("dependencies.").unwrap_or((section, ""));
            in_dependencies =
                (section.ends_with("dependencies") || !name.is_empty()) && !section.contains("dev-");
            names.push(name);
        } else {
            names.extend(line.split(['.', '=', ' ']).next());
            // The crate may have another name here than its own.
            names.extend(line.split_once("package").and_then(|(_, value)| value.split('"').nth(1)));
        }
        for name in names.iter().map(|name| name.trim_matches('"')) {
            let is_ours = all.iter().any(|row| row.name == name);
            if in_dependencies && is_ours && !row.allowed.iter().any(|allowed| allowed == name) {
                found.push(Violation::new(path, number, format!("{} may not depend on {name}", row.name)));
            }
        }
    }
    found
}

fn forbids_unsafe(code: &str) -> bool {
    let tokens = source::tokens(code);
    let attribute = ["#", "!", "[", "forbid", "(", "unsafe_code"];
    tokens
        .windows(attribute.len())
        .any(|tokens| tokens.iter().zip(attribute).all(|(token, word)| token.is(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, allowed: &[&str]) -> Row {
        let allowed = allowed.iter().map(ToString::to_string).collect();
        Row { line: 1, name: name.into(), allowed, forbids_unsafe: true }
    }

    #[test]
    fn a_crate_depends_on_what_its_row_allows() {
        let all = [row("units", &[]), row("topology", &["units"]), row("page-alloc", &["units"])];
        let manifest = "[package]\nname = \"page-alloc\"\n[dependencies]\nunits.workspace = true\nspin = \"0.12\"\n\
            topology = { workspace = true }\n[dev-dependencies]\ntopology.workspace = true\n[target.'cfg(loom)'.dependencies]\ntopology.workspace = true\n";
        let found: Vec<_> =
            beyond(manifest, "Cargo.toml", &all[2], &all).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "Cargo.toml:6: page-alloc may not depend on topology",
                "Cargo.toml:10: page-alloc may not depend on topology"
            ]
        );
    }

    #[test]
    fn a_dependency_counts_in_a_section_of_its_own_and_under_another_name() {
        let all = [row("units", &[]), row("topology", &["units"]), row("page-alloc", &["units"])];
        let manifest = "[dependencies.topology]\nworkspace = true\n[dev-dependencies.topology]\nworkspace = true\n\
            [dependencies]\n  \"topology\" = \"1\"\nmap = { package = \"topology\", path = \"..\" }\n";
        let found = beyond(manifest, "Cargo.toml", &all[2], &all);
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), [1, 6, 7]);
    }

    #[test]
    fn forbidding_in_a_comment_is_not_forbidding() {
        assert!(forbids_unsafe("//! Words.\n#![forbid(unsafe_code)]\n"));
        assert!(!forbids_unsafe("#[forbid(unsafe_code)]\nmod a {}"), "of a module");
        assert!(!forbids_unsafe("// #![forbid(unsafe_code)]\n#![deny(unsafe_code)]"));
    }
}
