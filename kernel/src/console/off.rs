//! The command `off`: reports the verdict, and turns the machine off.
use super::command::{Action, Command, CommandError, Invocation, no_candidates};
use crate::platform::power_end;
use crate::report::verdict;
use listing::Listing;

/// The command.
pub static COMMAND: Command = Command {
    name: "off",
    arguments: "",
    summary: "reports the verdict, stops all CPUs, and turns the machine off",
    complete: no_candidates,
    action: Action::Run(run),
};

fn run(invocation: &Invocation<'_>, _: &mut Listing<'_>) -> Result<(), CommandError> {
    invocation.no_word()?;
    power_end::switch_off_at_end();
    verdict::stop_with(verdict::is_well())
}
