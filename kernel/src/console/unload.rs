//! The command `unload`: unloads a driver.
use super::command::{Action, Command, CommandError, Invocation};
use super::drivers::complete_loaded;
use crate::drivers;
use listing::{Cell, Listing};

/// The command.
pub static COMMAND: Command = Command {
    name: "unload",
    arguments: "DRIVER",
    summary: "unloads a driver, and takes back all that it has",
    complete: complete_loaded,
    action: Action::Run(run),
};

fn run(invocation: &Invocation<'_>, listing: &mut Listing<'_>) -> Result<(), CommandError> {
    let name = invocation.only_word()?.ok_or(CommandError::Usage)?;
    drivers::unload(name).map_err(CommandError::Unload)?;
    listing.field("unloaded", Cell::Text(name));
    Ok(())
}
