//! To which line the pin of a function leads.
use crate::platform::pci_tables;
use core::fmt;
use device_nodes::NoPinRoute;
use pci::Function;

/// Why it is not known to which line a pin leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoRoute {
    /// The function is behind a bridge, which may lead the pin elsewhere.
    BehindBridge,
    /// Firmware's tables do not say it.
    Tables(NoPinRoute),
    /// No I/O APIC has this line.
    NoIoApic(u32),
}

impl fmt::Display for NoRoute {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BehindBridge => {
                out.write_str("it is behind a bridge, and only pins on a root bus are known")
            }
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
    if function.parent.is_some() {
        return Err(NoRoute::BehindBridge);
    }
    let (address, pin) = (function.address, function.pin.saturating_sub(1));
    pci_tables::host_bridges()
        .line_of_pin(address.segment(), address.bus(), address.device(), pin)
        .map_err(NoRoute::Tables)
}
