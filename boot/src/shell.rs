//! The verb `shell`: the two-node machine with this terminal at its console.
use std::io::{IsTerminal, stdin};

use anyhow::Result;
use boot::{Machine, Verdict, artifacts};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::build;
use crate::command::say;
use crate::options::Boot;

/// Boots the machine, and waits until it is turned off.
///
/// # Errors
/// It cannot be built or started, or the kernel reports failure.
pub fn run(boot: Boot) -> Result<()> {
    build::images(&boot.drivers)?;
    let mode = if stdin().is_terminal() { "terminal" } else { "plain" };
    let words = format!("console={mode} {}", boot.parameters);
    let machine = Machine::two_nodes().firmware(boot.firmware).interactive(words.trim_end()).protected();
    let machine = machine.arguments(boot.qemu).push_socket(artifacts::push_socket());
    if mode == "terminal" {
        say("help lists the commands, off turns the machine off, Ctrl-A X ends QEMU");
    }
    let verdict = with_terminal_restored(|| machine.attach(&artifacts::events()))?;
    match verdict {
        // Ended by Ctrl-A X, or by its monitor.
        Verdict::None(status) if status.success() => Ok(()),
        verdict => verdict.judge(),
    }
}

/// Restores the terminal's settings behind `work`: QEMU switches it to raw mode, and leaves it so if it is killed.
fn with_terminal_restored<T>(work: impl FnOnce() -> T) -> T {
    let settings = tcgetattr(stdin()).ok();
    let result = work();
    if let Some(settings) = settings {
        // The terminal may be gone.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &settings);
    }
    result
}
