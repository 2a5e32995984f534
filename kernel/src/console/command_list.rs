//! The commands, and running the one that a line names.
use super::command::{Command, CommandError, Invocation};
use super::command_output::CommandOutput;
use super::{
    bug_report, cpus, devices, disks, drivers, examine, findings, free, help, interrupts, latency, load,
    log_level, measure, nodes, off, reboot, stat, threads, tree, unload,
};
use arrayvec::ArrayVec;
use core::fmt;
use driver_text::one_line;
use line_editor::Completion;
use listing::{Format, Listing};

/// All commands, in the order in which `help` lists them.
pub static COMMANDS: &[&Command] = &[
    &nodes::COMMAND,
    &cpus::COMMAND,
    &tree::COMMAND,
    &latency::COMMAND,
    &stat::COMMAND,
    &free::COMMAND,
    &threads::COMMAND,
    &devices::COMMAND,
    &interrupts::COMMAND,
    &disks::COMMAND,
    &drivers::COMMAND,
    &load::COMMAND,
    &unload::COMMAND,
    &findings::COMMAND,
    &log_level::COMMAND,
    &examine::COMMAND,
    &measure::COMMAND,
    &bug_report::COMMAND,
    &off::COMMAND,
    &reboot::COMMAND,
    &help::COMMAND,
];

/// The option that every command takes.
const JSON: &str = "--json";

/// Runs the command that a line names, and writes its listing. A blank line does nothing.
pub fn run(line: &str, out: &mut CommandOutput) {
    let mut words = line.split_ascii_whitespace().filter(|word| *word != JSON);
    let Some(name) = words.next() else { return };
    let is_json = line.split_ascii_whitespace().any(|word| word == JSON);
    let mut listing = Listing::new(out, if is_json { Format::Json } else { Format::Text }, name);
    let mut taken = ArrayVec::new();
    let has_room = words.all(|word| taken.try_push(word).is_ok());
    let invocation = Invocation { words: taken, commands: COMMANDS };
    let result = match COMMANDS.iter().find(|command| command.name == name) {
        None => Err(CommandError::NoSuchCommand(one_line(name))),
        Some(_) if !has_room => Err(CommandError::Usage),
        Some(command) => command.run(&invocation, &mut listing),
    };
    let usage = fmt::from_fn(|out| write!(out, "{}; help {name} says more", CommandError::Usage));
    match &result {
        Ok(()) => listing.end(None),
        Err(CommandError::Usage) => listing.end(Some(&usage)),
        Err(error) => listing.end(Some(error)),
    }
}

/// Offers the candidates for the last word of what was typed.
pub fn complete(before_cursor: &str, completion: &mut Completion<'_>) {
    let mut words = before_cursor.split(' ').filter(|word| !word.is_empty());
    let is_first = !before_cursor.trim_start().contains(' ');
    if is_first {
        COMMANDS.iter().for_each(|command| completion.offer(command.name));
        return;
    }
    let name = words.next().unwrap_or_default();
    completion.offer(JSON);
    if name == help::COMMAND.name {
        COMMANDS.iter().for_each(|command| completion.offer(command.name));
    } else if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        (command.complete)(completion);
    }
}
