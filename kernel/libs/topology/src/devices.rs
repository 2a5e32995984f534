//! The devices that the SRAT names: generic initiators and generic ports.
use acpi_tables::{DeviceHandle, Finding, Findings, LimitFault, Signature, SratDevice, SratEntry};
use arrayvec::ArrayVec;
use units::ProximityDomain;

use crate::smallest::{LeftOut, Smallest};

/// The highest number of devices in a topology.
pub const MAX_DEVICES: usize = 64;

/// The kind of a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DeviceKind {
    /// A device that reads and writes memory by itself.
    Initiator,
    /// A port behind which such a device may be found later, such as a CXL host bridge.
    Port,
}

/// A device with a proximity domain.
// The order of the fields gives the order of devices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Device {
    /// The kind of the device.
    pub kind: DeviceKind,
    /// The proximity domain, which need not be a node.
    pub domain: ProximityDomain,
    /// The device, or `None` if the kind of handle is unknown.
    pub handle: Option<DeviceHandle>,
}

/// The devices: initiators and then ports, each ordered by domain.
pub type Devices = ArrayVec<Device, MAX_DEVICES>;

/// The devices of the SRAT's enabled entries, in any order. Of too many, the lowest stay.
pub struct NamedDevices(Smallest<Device, MAX_DEVICES>);

impl NamedDevices {
    pub const fn new() -> Self {
        Self(Smallest::new())
    }

    /// Adds the device of an entry, if it is an enabled device's.
    pub fn take(&mut self, entry: &SratEntry, findings: &mut dyn Findings) {
        let (kind, device) = match entry {
            SratEntry::GenericInitiator(device) => (DeviceKind::Initiator, device),
            SratEntry::GenericPort(device) => (DeviceKind::Port, device),
            _ => return,
        };
        let &SratDevice { domain, handle, enabled, offset, .. } = device;
        if !enabled {
            return;
        }
        if let Some(LeftOut::NoRoom(Device { domain, .. })) = self.0.offer(Device { kind, domain, handle }) {
            let fault = LimitFault::Devices { domain, limit: MAX_DEVICES };
            findings.report(Finding::new(Signature::SRAT, offset, fault));
        }
    }

    /// Returns the devices in ascending order.
    pub fn items(&self) -> &[Device] {
        self.0.items()
    }
}
