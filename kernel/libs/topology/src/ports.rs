//! Latency and bandwidth from initiators to generic ports.
use arrayvec::ArrayVec;
use units::{MAX_NODES, ProximityDomain};

use crate::cell::Cell;
use crate::{Device, DeviceKind, Reach};

/// The highest number of domains with ports in a topology.
pub const MAX_PORT_DOMAINS: usize = 32;

/// The domains of generic ports, and the values from each initiator to each of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ports {
    /// The domains in ascending order.
    domains: ArrayVec<ProximityDomain, MAX_PORT_DOMAINS>,
    /// One row for each initiator, with one cell for each domain.
    cells: ArrayVec<Cell, { MAX_NODES * MAX_PORT_DOMAINS }>,
}

impl Ports {
    pub const EMPTY: Self = Self { domains: ArrayVec::new_const(), cells: ArrayVec::new_const() };

    /// Replaces the ports by those among the devices, without values. Further domains than there is room for are left out.
    pub fn reset(&mut self, devices: &[Device], initiators: usize) {
        self.domains.clear();
        self.cells.clear();
        for device in devices.iter().filter(|device| device.kind == DeviceKind::Port) {
            // Devices ascend by domain, so equal domains follow each other.
            if self.domains.last() != Some(&device.domain) {
                let _ = self.domains.try_push(device.domain);
            }
        }
        self.cells.extend(core::iter::repeat_n(Cell::UNSPECIFIED, initiators * self.domains.len()));
    }

    pub fn domains(&self) -> &[ProximityDomain] {
        &self.domains
    }

    /// Returns the values from an initiator to a domain, or `None` if no port has this domain.
    pub fn cell_mut(&mut self, initiator: usize, domain: ProximityDomain) -> Option<&mut Cell> {
        let column = self.domains.binary_search(&domain).ok()?;
        self.cells.get_mut(initiator * self.domains.len() + column)
    }

    pub fn reach(&self, initiator: usize, domain: ProximityDomain) -> Option<Reach> {
        let column = self.domains.binary_search(&domain).ok()?;
        Some(self.cells.get(initiator.checked_mul(self.domains.len())?.checked_add(column)?)?.reach())
    }
}
