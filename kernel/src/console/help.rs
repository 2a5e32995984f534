//! The command `help`: the commands, or one of them.
use super::command::{Action, Command, CommandError, Invocation, no_candidates};
use driver_text::one_line;
use listing::{Cell, Column, Listing};

/// The command. Its candidates are the other commands.
pub static COMMAND: Command = Command {
    name: "help",
    arguments: "[COMMAND]",
    summary: "this list, or one command",
    complete: no_candidates,
    action: Action::Run(run),
};

const COLUMNS: [Column; 3] = [Column::text("command"), Column::text("arguments"), Column::text("summary")];

fn run(invocation: &Invocation<'_>, listing: &mut Listing<'_>) -> Result<(), CommandError> {
    let wanted = invocation.only_word()?;
    let is_wanted = |command: &&&Command| wanted.is_none_or(|name| command.name == name);
    if let Some(name) = wanted.filter(|_| !invocation.commands.iter().any(|command| is_wanted(&command))) {
        return Err(CommandError::NoSuchCommand(one_line(name)));
    }
    listing.table("commands", &COLUMNS, &|next| {
        for command in invocation.commands.iter().filter(is_wanted) {
            next(&[Cell::Text(command.name), Cell::Text(command.arguments), Cell::Text(command.summary)]);
        }
    });
    listing.remark(format_args!(
        "Each command takes --json. Tab completes, the arrows edit and go back to earlier lines."
    ));
    Ok(())
}
