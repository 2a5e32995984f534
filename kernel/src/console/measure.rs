//! The command `bench`: the benchmarks.
use super::boot_cpu;
use super::command::{Action, Command, CommandError, Invocation, no_candidates};
use crate::bench;
use listing::Listing;

/// The command.
pub static COMMAND: Command = Command {
    name: "bench",
    arguments: "",
    summary: "runs the benchmarks; their results are lines of the log and events",
    complete: no_candidates,
    action: Action::Run(run),
};

fn run(invocation: &Invocation<'_>, listing: &mut Listing<'_>) -> Result<(), CommandError> {
    invocation.no_word()?;
    boot_cpu::run_there(bench::run);
    listing.remark(format_args!("in ticks of the time stamp counter; ./run.sh bench counts instructions"));
    Ok(())
}
