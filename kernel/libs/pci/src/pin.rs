//! Interrupt pins behind bridges: which pin of a bridge the pin of a function behind it pulls (PCI-to-PCI Bridge 1.2 §9.1, PCI Express 6.0
//! §2.2.8.1).
use pci_types::PciAddress;

use crate::Function;

/// The pins of a device, INTA to INTD.
const PINS: u8 = 4;

/// A pin of a device on a bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pin {
    /// The device.
    pub device: PciAddress,
    /// The bridge that leads to the bus; `None` on a root bus.
    pub bridge: Option<PciAddress>,
    /// The pin: 0 for INTA to 3 for INTD.
    pub pin: u8,
}

impl Pin {
    /// Returns the pin of a function, or `None` if it has none.
    #[must_use]
    pub fn of(function: &Function) -> Option<Self> {
        let pin = function.pin.checked_sub(1).filter(|&pin| pin < PINS)?;
        Some(Self { device: function.address, bridge: function.parent, pin })
    }

    /// Returns the pin of the bridge which this one pulls. A bridge joins pin p of device d behind it to its own pin (p + d) modulo 4. Returns
    /// `None` if the bridge does not lead downward, so that a circle of bridges ends.
    #[must_use]
    pub fn joined_by(self, bridge: &Function) -> Option<Self> {
        let pin = (self.pin + self.device.device()) % PINS;
        let joined = Self { device: bridge.address, bridge: bridge.parent, pin };
        (bridge.address.bus() < self.device.bus()).then_some(joined)
    }
}
