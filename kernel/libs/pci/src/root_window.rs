//! The windows of host bridges.
use crate::{AddressRange, Space};

/// Addresses that a host bridge passes on to the buses below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RootWindow {
    /// The segment.
    pub segment: u16,
    /// The root bus.
    pub root_bus: u8,
    /// What the addresses are of.
    pub space: Space,
    /// The addresses.
    pub range: AddressRange,
}
