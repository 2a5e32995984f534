//! The verb `check`: formatting, imports, lints, the C header against its source, documentation.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use boot::artifacts;

use crate::build::{COMPARISON, FUZZ, HEAP_COMPARISON, comparison_cargo, fuzz_cargo, loader_cargo};
use crate::command::{cargo, in_workspace, run, say};

/// The packages that the kernel's target has its own words for.
const KERNEL: [&str; 4] = ["--package", "kernel", "--target", "x86_64-unknown-none"];

/// What follows every call of clippy: warnings are errors.
const DENY: [&str; 3] = ["--", "-D", "warnings"];

/// Checks the form of all source text.
///
/// # Errors
/// The first check that fails.
pub fn check() -> Result<()> {
    let drivers = rust_drivers()?;
    for (title, commands) in [
        ("Formatting", formatting(&drivers)),
        ("Imports", vec![cargo(&["test", "--quiet", "--release", "--package", "import-rules"])]),
        ("Lints", lints(&drivers)),
        (
            "The C header against its source",
            vec![cargo(&["run", "--quiet", "--package", "header", "--", "--check"])],
        ),
        ("Documentation", documentation()),
    ] {
        say(title);
        for mut command in commands {
            run(&mut command)?;
        }
    }
    Ok(())
}

fn formatting(drivers: &[PathBuf]) -> Vec<Command> {
    let mut commands = vec![cargo(&["fmt", "--all", "--check"])];
    let others = [COMPARISON, HEAP_COMPARISON, FUZZ].map(|folder| artifacts::workspace().join(folder));
    for folder in others.iter().chain(drivers) {
        let mut command = cargo(&["fmt", "--check"]);
        command.current_dir(folder);
        commands.push(command);
    }
    commands
}

fn lints(drivers: &[PathBuf]) -> Vec<Command> {
    let kernel = |profile: &[&str]| cargo(&[&["clippy", "--quiet"], profile, &KERNEL, &DENY].concat());
    let mut commands = vec![
        cargo(&[&["clippy", "--quiet", "--all-targets"][..], &DENY].concat()),
        cargo(&[&["clippy", "--quiet", "--package", "boot", "--all-targets"][..], &DENY].concat()),
        cargo(&[&["clippy", "--quiet", "--package", "book", "--all-targets"][..], &DENY].concat()),
        kernel(&["--release"]),
        kernel(&["--profile", "checked"]),
        loader_cargo(&[&["clippy", "--all-targets"][..], &DENY].concat()),
        comparison_cargo(COMPARISON, &[&["clippy", "--quiet", "--all-targets"][..], &DENY].concat()),
        // Without the heaps in C, which take a minute to compile.
        comparison_cargo(
            HEAP_COMPARISON,
            &[&["clippy", "--quiet", "--all-targets", "--no-default-features"][..], &DENY].concat(),
        ),
        fuzz_cargo(&[&["clippy", "--quiet", "--all-targets", "--features", "libfuzzer"][..], &DENY].concat()),
    ];
    for folder in drivers {
        let mut command = cargo(&["clippy", "--quiet", "--release", "--locked", "--target-dir"]);
        command.arg(artifacts::workspace().join("target/ddk")).args(DENY).current_dir(folder);
        commands.push(command);
    }
    if Command::new("shellcheck").arg("--version").output().is_ok() {
        let mut command = in_workspace("shellcheck");
        command.args(["-x", "run.sh", "boot/tools.sh", "boot/oracle.sh", "boot/newer_debian.sh"]);
        command.args(["ddk/driver/build.sh", "ddk/mock/test.sh", ".ci/run"]);
        commands.push(command);
    }
    commands
}

fn documentation() -> Vec<Command> {
    let kernel = [&["doc", "--quiet", "--no-deps", "--release"][..], &KERNEL].concat();
    let mut commands = vec![
        cargo(&["doc", "--quiet", "--no-deps"]),
        cargo(&["doc", "--quiet", "--no-deps", "--package", "boot"]),
        cargo(&["doc", "--quiet", "--no-deps", "--package", "book"]),
        cargo(&kernel),
    ];
    for command in &mut commands {
        command.env("RUSTDOCFLAGS", "-D warnings");
    }
    commands
}

/// Returns the folders of the drivers in Rust. Each is a workspace of its own.
fn rust_drivers() -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for parent in ["ddk/examples", "ddk/templates", "ddk/tests", "ddk/tutorial"] {
        let parent = artifacts::workspace().join(parent);
        let entries = fs::read_dir(&parent).with_context(|| parent.display().to_string())?;
        folders.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    folders.retain(|folder: &PathBuf| is_package(folder));
    folders.sort();
    Ok(folders)
}

fn is_package(folder: &Path) -> bool {
    folder.join("Cargo.toml").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The boot loader: text of another project, which keeps that project's form.
    const LOADER: &str = "boot/loader";

    /// Returns the folders of all packages that are workspaces of their own, without the boot loader's.
    fn workspaces(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') && !path.ends_with(LOADER) {
                let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
                if manifest.lines().any(|line| line == "[workspace]") {
                    found.push(path.clone());
                }
                workspaces(&path, found);
            }
        }
    }

    #[test]
    fn every_workspace_of_the_repository_is_formatted_and_linted() {
        let mut all = Vec::new();
        workspaces(artifacts::workspace(), &mut all);
        assert!(all.len() >= 3, "{all:?}");
        let drivers = rust_drivers().unwrap();
        let formatted = formatting(&drivers);
        let linted = lints(&drivers);
        for workspace in &all {
            let here = |command: &&Command| command.get_current_dir() == Some(workspace.as_path());
            assert!(
                formatted.iter().any(|command| here(&command)),
                "{} is not formatted",
                workspace.display()
            );
            let manifest = workspace.join("Cargo.toml");
            let by_manifest = |command: &Command| {
                command.get_args().any(|word| manifest.ends_with(Path::new(word)) && word != "Cargo.toml")
            };
            let is_linted = linted.iter().any(|command| here(&command) || by_manifest(command));
            assert!(is_linted, "{} is not linted", workspace.display());
        }
    }

    #[test]
    fn every_lint_is_an_error() {
        let denies = |command: &Command| command.get_args().any(|word| word == "warnings");
        let is_clippy = |command: &&Command| command.get_args().any(|word| word == "clippy");
        assert!(lints(&rust_drivers().unwrap()).iter().filter(is_clippy).all(denies));
    }
}
