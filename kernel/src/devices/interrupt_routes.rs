//! To which line the pin of a function leads.
use super::device_registry;
use crate::platform::pci_tables;
use core::fmt;
use device_nodes::NoPinRoute;
use pci::Function;

/// Why it is not known to which line a pin leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoRoute {
    /// Firmware's tables do not say it.
    Tables(NoPinRoute),
    /// No I/O APIC has this line.
    NoIoApic(u32),
}

impl fmt::Display for NoRoute {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tables(why) => why.fmt(out),
            Self::NoIoApic(line) => write!(out, "no I/O APIC has line {line}"),
        }
    }
}

/// Returns the global number of the line that the function's pin leads to.
///
/// # Errors
/// [`NoRoute`].
pub fn line_of(function: &Function) -> Result<u32, NoRoute> {
    let find = |address| device_registry::at(address).map(|bridge| bridge.function);
    pci_tables::host_bridges().line_of_pin(function, find).map_err(NoRoute::Tables)
}
