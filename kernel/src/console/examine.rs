//! The command `selftest`: the self-tests.
use super::boot_cpu;
use super::command::{Action, Command, CommandError, Invocation, no_candidates};
use crate::selftest::{self, Totals};
use listing::{Cell, Listing};

/// The command.
pub static COMMAND: Command = Command {
    name: "selftest",
    arguments: "",
    summary: "runs the self-tests; each outcome is a line of the log and an event",
    complete: no_candidates,
    action: Action::Run(run),
};

fn run(invocation: &Invocation<'_>, listing: &mut Listing<'_>) -> Result<(), CommandError> {
    invocation.no_word()?;
    let Totals { passed, failed, skipped } = boot_cpu::run_there(selftest::run);
    listing.field("passed", Cell::count(passed));
    listing.field("failed", Cell::count(failed));
    listing.field("skipped", Cell::count(skipped));
    if failed > 0 { Err(CommandError::Failed(failed)) } else { Ok(()) }
}
