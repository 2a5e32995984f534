//! Lets a bridge pass on what is addressed to the functions behind it, and what they send (PCI-to-PCI Bridge 1.2 §3.2.4.3).
use pci_types::PciAddress;

use crate::ConfigSpace;
use crate::bridge_windows::BridgeWindows;
use crate::command;

/// Turns on those bits of a bridge's command register that are in `what`, and leaves the others. A window that firmware has left at address 0
/// is closed before the bridge decodes it. Returns false, and changes nothing, if the bridge does not answer.
#[must_use]
pub fn forward(config: &impl ConfigSpace, bridge: PciAddress, what: u16) -> bool {
    let Some(before) = command::change(config, bridge, 0, 0) else { return false };
    let missing = what & !before;
    if missing & command::MEMORY != 0 {
        BridgeWindows::close_unset_memory(config, bridge);
    }
    if missing & command::IO != 0 {
        BridgeWindows::close_unset_ports(config, bridge);
    }
    command::change(config, bridge, missing, missing).is_some()
}
