//! The machine's way to configuration space, as the scan has found it.
use super::config_ports::ConfigPorts;
use super::ecam::Ecam;
use pci::{ConfigPart, ConfigSpace, PciAddress};
use spin::Once;

/// Configuration space, in memory or through ports.
#[expect(clippy::large_enum_variant, reason = "there is one value, in a static")]
pub enum ConfigAccess {
    /// In memory.
    Ecam(Ecam),
    /// Through ports.
    Ports(ConfigPorts),
}

static ACCESS: Once<ConfigAccess> = Once::new();

/// Stores the way by which functions were found. Called once, at boot.
pub fn set(access: ConfigAccess) {
    ACCESS.call_once(|| access);
}

/// Returns configuration space, or `None` on a machine without PCI.
pub fn get() -> Option<&'static ConfigAccess> {
    ACCESS.get()
}

/// Calls the function of the way that the machine has.
macro_rules! delegate {
    ($access:expr, $way:ident => $call:expr) => {
        match $access {
            ConfigAccess::Ecam($way) => $call,
            ConfigAccess::Ports($way) => $call,
        }
    };
}

impl ConfigSpace for ConfigAccess {
    fn has_extended_registers(&self) -> bool {
        delegate!(self, way => way.has_extended_registers())
    }

    fn without_interruption<T>(&self, work: impl FnOnce() -> T) -> T {
        delegate!(self, way => way.without_interruption(work))
    }

    fn read(&self, function: PciAddress, offset: u16) -> u32 {
        delegate!(self, way => way.read(function, offset))
    }

    fn write(&self, function: PciAddress, offset: u16, value: u32) {
        delegate!(self, way => way.write(function, offset, value));
    }

    fn write_part(&self, function: PciAddress, part: ConfigPart, value: u32) {
        delegate!(self, way => way.write_part(function, part, value));
    }

    fn slots(&self, segment: u16, bus: u8) -> u32 {
        delegate!(self, way => way.slots(segment, bus))
    }
}
