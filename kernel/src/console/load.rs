//! The command `load`: loads a driver of the ramdisk.
use super::command::{Action, Command, CommandError, Invocation};
use crate::drivers;
use line_editor::Completion;
use listing::{Cell, Listing};

/// The command.
pub static COMMAND: Command = Command {
    name: "load",
    arguments: "DRIVER",
    summary: "loads a driver of the ramdisk, or one that was pushed before",
    complete,
    action: Action::Run(run),
};

fn complete(completion: &mut Completion<'_>) {
    drivers::each_file(|name| completion.offer(name));
}

fn run(invocation: &Invocation<'_>, listing: &mut Listing<'_>) -> Result<(), CommandError> {
    let name = invocation.only_word()?.ok_or(CommandError::Usage)?;
    drivers::load(name).map_err(CommandError::Load)?;
    listing.field("loaded", Cell::Text(name));
    Ok(())
}
