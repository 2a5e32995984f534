//! The command `log`: the least severe level that the log shows.
use super::command::{Action, Command, CommandError, Invocation};
use core::str::FromStr;
use line_editor::Completion;
use listing::{Cell, Listing};
use log::LevelFilter;

/// The command.
pub static COMMAND: Command = Command {
    name: "log",
    arguments: "[LEVEL]",
    summary: "the log's level: shows it, or sets error, warn, info, debug or trace",
    complete,
    action: Action::Run(run),
};

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

fn complete(completion: &mut Completion<'_>) {
    LEVELS.iter().for_each(|level| completion.offer(level));
}

fn run(invocation: &Invocation<'_>, listing: &mut Listing<'_>) -> Result<(), CommandError> {
    if let Some(word) = invocation.only_word()? {
        let level = LEVELS.contains(&word).then(|| LevelFilter::from_str(word).ok()).flatten();
        log::set_max_level(level.ok_or(CommandError::Usage)?);
    }
    let level = LEVELS.get((log::max_level() as usize).wrapping_sub(1)).copied();
    listing.field("level", Cell::text(level));
    Ok(())
}
