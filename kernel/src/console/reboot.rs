//! The command `reboot`: reports the verdict, and resets the machine.
use super::command::{Action, Command, CommandError, Invocation, no_candidates};
use crate::memory::device_memory;
use crate::platform::power_end;
use crate::report::verdict;
use listing::Listing;
use units::PhysRange;

/// The command.
pub static COMMAND: Command = Command {
    name: "reboot",
    arguments: "",
    summary: "reports the verdict, stops all CPUs, and resets the machine",
    complete: no_candidates,
    action: Action::Run(run),
};

fn run(invocation: &Invocation<'_>, _: &mut Listing<'_>) -> Result<(), CommandError> {
    invocation.no_word()?;
    power_end::reset_at_end(|register| {
        let mapped = device_memory::map_device(PhysRange::new(register.0, register.0.checked_add(1)?))?;
        Some(core::ptr::with_exposed_provenance_mut(mapped.0 as usize))
    });
    verdict::stop_with(verdict::is_well())
}
