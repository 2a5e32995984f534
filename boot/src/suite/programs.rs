//! The test programs that cargo has built, with what a program needs that runs without cargo.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use boot::process::{CANNOT_START, attached};
use serde::Deserialize;

use crate::command::cargo;

/// A test program.
pub struct Program {
    package: String,
    /// The name of the library, program or file of tests.
    target: String,
    /// What it tests: `lib`, `bin`, `test`, …
    kind: String,
    manifest: PathBuf,
    executable: PathBuf,
}

/// A line of cargo's output. Lines about other things have none of these fields.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Program {
    #[cfg(test)]
    pub fn new(package: &str, target: &str, kind: &str, manifest: &str, executable: &str) -> Self {
        let (package, target, kind) = (package.into(), target.into(), kind.into());
        Self { package, target, kind, manifest: manifest.into(), executable: executable.into() }
    }

    /// Returns the program's name: `PACKAGE` for a library's own tests, otherwise `PACKAGE:TARGET`.
    pub fn name(&self) -> String {
        match self.kind.as_str() {
            "bin" => format!("{}:main", self.package),
            "test" | "example" | "bench" => format!("{}:{}", self.package, self.target),
            // A library, of whatever form.
            _ => self.package.clone(),
        }
    }

    /// Returns the command that runs the program as cargo would: all its tests, or those whose name contains `filter`.
    pub fn command(&self, filter: Option<&str>) -> Command {
        let mut command = attached(&self.executable);
        let folder = self.manifest.parent().unwrap_or(Path::new("/"));
        command.arg("--show-output").args(filter).current_dir(folder);
        command.env("CARGO_MANIFEST_DIR", folder).env("CARGO_PKG_NAME", &self.package);
        command
    }
}

/// Builds test programs, and returns them. `words` choose the packages; without any, they are those of the workspace's default.
///
/// # Errors
/// A program cannot be built; what the compiler says is on standard error.
pub fn build(words: &[&str]) -> Result<Vec<Program>> {
    let mut command = cargo(&["test", "--no-run", "--quiet", "--message-format", "json-render-diagnostics"]);
    let output = command.args(words).stderr(Stdio::inherit()).output().context(CANNOT_START)?;
    ensure!(output.status.success(), "the tests cannot be built");
    let text = String::from_utf8(output.stdout).context("cargo's messages")?;
    text.lines().filter_map(|line| program(line).transpose()).collect()
}

/// Reads a line of cargo's output. Returns `None` if it is not about a test program.
fn program(line: &str) -> Result<Option<Program>> {
    let message: Message = serde_json::from_str(line).with_context(|| format!("cargo says: {line}"))?;
    if message.reason != "compiler-artifact" || !message.profile.is_some_and(|profile| profile.test) {
        return Ok(None);
    }
    let (Some(manifest), Some(target), Some(executable)) =
        (message.manifest_path, message.target, message.executable)
    else {
        return Ok(None);
    };
    let package = package_name(&message.package_id.unwrap_or_default());
    let kind = target.kind.into_iter().next().unwrap_or_default();
    Ok(Some(Program { package, target: target.name, kind, manifest, executable }))
}

/// Returns the name in a package id: `path+file:///folder#name@1.0.0`, or `path+file:///name#1.0.0`.
fn package_name(id: &str) -> String {
    let (path, fragment) = id.split_once('#').unwrap_or((id, ""));
    let folder = path.rsplit('/').next().unwrap_or_default();
    fragment.split_once('@').map_or(folder, |(name, _)| name).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_programs_are_read_from_what_cargo_says() {
        let test = r#"{"reason":"compiler-artifact","package_id":"path+file:///p/boot#0.1.0","manifest_path":"/p/boot/Cargo.toml","target":{"name":"disks","kind":["test"]},
            "profile":{"test":true},"executable":"/p/target/disks-1"}"#;
        let found = program(test).unwrap().unwrap();
        assert_eq!(found.name(), "boot:disks");
        assert_eq!(found.executable, Path::new("/p/target/disks-1"));
        let command = found.command(Some("reads"));
        assert_eq!(command.get_current_dir(), Some(Path::new("/p/boot")));
        assert!(command.get_args().any(|word| word == "reads"));

        let plain = test.replace("\"test\":true", "\"test\":false");
        assert!(program(&plain).unwrap().is_none());
        assert!(program(r#"{"reason":"build-finished","success":true}"#).unwrap().is_none());
        assert!(program("error").is_err());
    }

    #[test]
    fn the_name_of_a_package_is_in_its_id() {
        assert_eq!(package_name("path+file:///p/page-alloc#0.1.0"), "page-alloc");
        assert_eq!(package_name("path+file:///p/ddk/driver#driver_kit@0.1.0"), "driver_kit");
    }

    #[test]
    fn a_program_and_a_library_of_one_package_have_two_names() {
        let name = |kind| Program::new("boot", "boot", kind, "/boot/Cargo.toml", "/boot/program").name();
        assert_eq!((name("lib").as_str(), name("bin").as_str()), ("boot", "boot:main"));
    }
}
