//! The windows of a bridge: the addresses that it passes on to the buses behind it (PCI-to-PCI Bridge 1.2 §3.2.5).
use pci_types::PciAddress;

use crate::{AddressRange, ConfigPart, ConfigSpace};

const PORTS: u16 = 0x1c;
const MEMORY: u16 = 0x20;
const PREFETCHABLE: u16 = 0x24;
const PREFETCHABLE_BASE_HIGH: u16 = 0x28;
const PREFETCHABLE_LIMIT_HIGH: u16 = 0x2c;
const PORTS_HIGH: u16 = 0x30;

/// The smallest window of memory, to which its ends are aligned.
pub const MEMORY_UNIT: u64 = 1 << 20;
/// What closes a window of memory, or one of ports: its first address is above its last.
const CLOSED_MEMORY: u32 = 0x0000_fff0;
const CLOSED_PORTS: u32 = 0x00f0;
const PORTS_UNIT: u64 = 1 << 12;

/// The windows of a bridge. `None` is a window that is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BridgeWindows {
    /// Ports.
    pub ports: Option<AddressRange>,
    /// Memory below 4 GiB.
    pub memory: Option<AddressRange>,
    /// Memory whose reads have no side effects.
    pub prefetchable: Option<AddressRange>,
}

impl BridgeWindows {
    /// Reads the windows of a bridge.
    pub fn read(config: &impl ConfigSpace, bridge: PciAddress) -> Self {
        let read = |offset| config.read(bridge, offset);
        let ports = read(PORTS) & 0xffff;
        let ports_high = if ports & 0xf == 1 { read(PORTS_HIGH) } else { 0 };
        let prefetchable = read(PREFETCHABLE);
        let (base_high, limit_high) = match prefetchable & 0xf {
            1 => (read(PREFETCHABLE_BASE_HIGH), read(PREFETCHABLE_LIMIT_HIGH)),
            _ => (0, 0),
        };
        Self {
            ports: window(
                u64::from(ports_high & 0xffff) << 16 | u64::from(ports & 0xf0) << 8,
                u64::from(ports_high >> 16) << 16 | u64::from(ports >> 8 & 0xf0) << 8,
                PORTS_UNIT,
            ),
            memory: memory(read(MEMORY), 0, 0),
            prefetchable: memory(prefetchable, base_high, limit_high),
        }
    }

    /// Opens the window of memory. Returns true if the bridge has kept it. `range` is below 4 GiB, and its ends are aligned.
    pub fn open_memory(config: &impl ConfigSpace, bridge: PciAddress, range: AddressRange) -> bool {
        let (base, limit) = (range.first as u32 >> 16 & 0xfff0, range.last as u32 & 0xfff0_0000);
        config.write(bridge, MEMORY, limit | base);
        Self::read(config, bridge).memory == Some(range)
    }

    /// Closes both windows of memory if their first address is 0, as firmware leaves them that has not set them.
    pub(crate) fn close_unset_memory(config: &impl ConfigSpace, bridge: PciAddress) {
        let Self { memory, prefetchable, .. } = Self::read(config, bridge);
        if memory.is_none() {
            config.write(bridge, MEMORY, CLOSED_MEMORY);
        }
        if prefetchable.is_none() {
            config.write(bridge, PREFETCHABLE, CLOSED_MEMORY);
            config.write(bridge, PREFETCHABLE_BASE_HIGH, 0);
            config.write(bridge, PREFETCHABLE_LIMIT_HIGH, 0);
        }
    }

    /// Closes the window of ports if its first port is 0.
    pub(crate) fn close_unset_ports(config: &impl ConfigSpace, bridge: PciAddress) {
        if Self::read(config, bridge).ports.is_none() {
            // The secondary status beside it is not written: a one clears a bit there.
            config.write_part(bridge, ConfigPart::word(PORTS), CLOSED_PORTS);
            config.write(bridge, PORTS_HIGH, 0);
        }
    }
}

/// Returns a window of memory from its register and the upper halves of its ends.
fn memory(register: u32, base_high: u32, limit_high: u32) -> Option<AddressRange> {
    let join = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    window(join(base_high, (register & 0xfff0) << 16), join(limit_high, register & 0xfff0_0000), MEMORY_UNIT)
}

/// Returns a window, or `None` if it is closed. One at 0 is closed, too: firmware that has not set a window leaves zeros.
fn window(base: u64, limit: u64, unit: u64) -> Option<AddressRange> {
    let last = limit | (unit - 1);
    (base != 0 && base <= last).then_some(AddressRange { first: base, last })
}
