//! A command: its name, what it takes, and the function that runs it.
use crate::drivers::{LoadByNameError, UnloadError};
use arrayvec::{ArrayString, ArrayVec};
use core::fmt;
use line_editor::Completion;
use listing::Listing;

/// The most words of a line.
pub const MOST_WORDS: usize = 16;

/// A command.
pub struct Command {
    /// What is typed.
    pub name: &'static str,
    /// The words that may follow.
    pub arguments: &'static str,
    /// One line that says what it does.
    pub summary: &'static str,
    /// The candidates for the words that follow.
    pub complete: fn(&mut Completion<'_>),
    /// What it does.
    pub action: Action,
}

/// What a command does.
pub enum Action {
    /// Writes a listing; it takes no words.
    List(fn(&mut Listing<'_>)),
    /// Runs with the words that were typed.
    Run(fn(&Invocation<'_>, &mut Listing<'_>) -> Result<(), CommandError>),
}

impl Command {
    /// Returns a command that takes no words and writes a listing.
    pub const fn list(name: &'static str, summary: &'static str, write: fn(&mut Listing<'_>)) -> Self {
        Self { name, arguments: "", summary, complete: no_candidates, action: Action::List(write) }
    }

    /// Does what the command does.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn run(&self, invocation: &Invocation<'_>, listing: &mut Listing<'_>) -> Result<(), CommandError> {
        match self.action {
            Action::List(write) => invocation.no_word().map(|()| write(listing)),
            Action::Run(run) => run(invocation, listing),
        }
    }
}

/// What was typed.
pub struct Invocation<'w> {
    /// The words behind the command's name, without `--json`.
    pub words: ArrayVec<&'w str, MOST_WORDS>,
    /// All commands.
    pub commands: &'static [&'static Command],
}

impl Invocation<'_> {
    /// Returns the one word that follows, or `None` if none does.
    ///
    /// # Errors
    /// [`CommandError::Usage`] if several follow.
    pub fn only_word(&self) -> Result<Option<&str>, CommandError> {
        match *self.words {
            [] => Ok(None),
            [word] => Ok(Some(word)),
            _ => Err(CommandError::Usage),
        }
    }

    /// Checks that no word follows.
    ///
    /// # Errors
    /// [`CommandError::Usage`].
    pub fn no_word(&self) -> Result<(), CommandError> {
        if self.words.is_empty() { Ok(()) } else { Err(CommandError::Usage) }
    }
}

/// Offers nothing.
pub fn no_candidates(_: &mut Completion<'_>) {}

/// Why a command was not done.
#[derive(Debug)]
pub enum CommandError {
    /// There is no such command.
    NoSuchCommand(ArrayString<64>),
    /// The words that follow are not those that it takes.
    Usage,
    /// The driver was not loaded.
    Load(LoadByNameError),
    /// The driver was not unloaded.
    Unload(UnloadError),
    /// There is no driver of this name.
    NoSuchDriver,
    /// So many self-tests have failed.
    Failed(usize),
}

impl fmt::Display for CommandError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCommand(name) => write!(out, "no such command, help lists them: {name}"),
            Self::Usage => out.write_str("it does not take these words"),
            Self::Load(error) => write!(out, "not loaded: {error}"),
            Self::NoSuchDriver => out.write_str("no such driver is loaded"),
            Self::Failed(count) => write!(out, "{count} tests have failed"),
            Self::Unload(error) => write!(out, "not unloaded: {error}"),
        }
    }
}
