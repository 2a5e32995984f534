//! Runs cargo and other programs for the verbs of `run.sh`, and speaks in its name.
use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use boot::artifacts;
use boot::process::{CANNOT_START, attached};

/// What cargo says when there is no network, in small letters.
const NETWORK: [&str; 4] = ["couldn't resolve", "could not resolve", "failed to download", "network failure"];

/// Tells the user what happens next.
pub fn say(what: impl std::fmt::Display) {
    eprintln!("run.sh: {what}");
}

/// Returns a command that runs in the repository's top folder.
pub fn in_workspace(program: impl AsRef<OsStr>) -> Command {
    let mut command = attached(program);
    command.current_dir(artifacts::workspace());
    command
}

/// Returns a cargo command that runs in the repository's top folder.
pub fn cargo(words: &[&str]) -> Command {
    let mut command = in_workspace("cargo");
    command.args(words);
    command
}

/// Runs a command to its end, with its output on this process's.
///
/// # Errors
/// The command cannot be started, or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().context(CANNOT_START)?;
    ensure!(status.success(), "{} failed ({status})", shown(command));
    Ok(())
}

/// Runs a command that builds `what`. Shows its output only if it fails or warns; then it is in `target/build.log` as well.
///
/// # Errors
/// The command cannot be started, or fails. A missing network is said in one line.
pub fn quietly(what: &str, command: &mut Command) -> Result<()> {
    let Output { status, mut stdout, stderr } =
        command.stdin(Stdio::null()).output().context(CANNOT_START)?;
    stdout.extend(stderr);
    let log = String::from_utf8_lossy(&stdout);
    if status.success() {
        eprint!("{log}");
        return Ok(());
    }
    let path = artifacts::workspace().join("target/build.log");
    fs::write(&path, log.as_bytes()).with_context(|| path.display().to_string())?;
    if needs_network(&log) {
        bail!("{what} cannot be built without network; what cargo said is in target/build.log");
    }
    eprint!("{log}");
    bail!("{what} cannot be built")
}

/// Returns true if the log of a command that failed says that the network is missing.
fn needs_network(log: &str) -> bool {
    let log = log.to_lowercase();
    let lacks_dependency = log.contains("failed to get") && log.contains("as a dependency");
    lacks_dependency || NETWORK.iter().any(|words| log.contains(words))
}

/// Returns the command as a user would type it.
fn shown(command: &Command) -> String {
    // The first two are `setpriv`'s.
    let words = command.get_args().skip(2).map(|word| word.to_string_lossy());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_named_as_it_would_be_typed() {
        let error = run(in_workspace("false").arg("--quiet")).unwrap_err();
        assert_eq!(error.to_string(), "false --quiet failed (exit status: 1)");
    }

    #[test]
    fn a_missing_network_differs_from_other_failures() {
        assert!(needs_network(
            "warning: spurious network error\nerror: Could not resolve host: index.crates.io"
        ));
        assert!(needs_network("error: failed to get `serde` as a dependency of package `boot`"));
        assert!(!needs_network("error[E0425]: cannot find function `f` in this scope"));
    }
}
