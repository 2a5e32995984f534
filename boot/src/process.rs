//! Starts other programs so that none of them outlives this one.
use std::ffi::OsStr;
use std::process::Command;

/// What to say when a command of [`attached`] cannot be started.
pub const CANNOT_START: &str = "setpriv (of util-linux) or the program that it starts is missing";

/// Returns a command that the operating system kills when this process ends, however it ends.
#[must_use]
pub fn attached(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}
