//! The list of capabilities from offset 256 on, which functions of PCI Express have (PCI Express 6.0 §7.6).
use pci_types::PciAddress;

use crate::{ABSENT, ConfigSpace, EXTENDED_SIZE, Fault, Problem};

/// The place of the first extended capability.
const FIRST: u16 = 256;

/// Ids of extended capabilities (PCI Code and ID Assignment 1.16 §3).
pub mod id {
    /// Virtual functions.
    pub const SR_IOV: u16 = 0x10;
    /// BARs whose size can be chosen.
    pub const RESIZABLE_BAR: u16 = 0x15;
    /// BARs of virtual functions whose size can be chosen.
    pub const RESIZABLE_BAR_OF_VIRTUAL: u16 = 0x24;
}

/// An extended capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedCapability {
    /// The id, not 0.
    pub id: u16,
    /// The version.
    pub version: u8,
    /// Where it starts: a multiple of 4 from 256 to 4092.
    pub offset: u16,
}

/// The extended capabilities of a function, in the list's order. After a fault the list ends.
#[derive(Clone, Debug)]
pub struct ExtendedCapabilities<'a, C> {
    config: &'a C,
    function: PciAddress,
    next: u16,
    /// The places that were visited: bit n of word m for offset 4 × (64m + n).
    visited: [u64; EXTENDED_SIZE as usize / 4 / 64],
}

impl<'a, C: ConfigSpace> ExtendedCapabilities<'a, C> {
    /// Starts the walk. The list of a function without the capability of PCI Express is empty, as is every list where these
    /// registers cannot be reached. The caller has looked for that capability.
    pub(crate) fn new(config: &'a C, function: PciAddress) -> Self {
        let next = if config.has_extended_registers() { FIRST } else { 0 };
        Self { config, function, next, visited: [0; _] }
    }

    /// Returns the problem of a capability that starts at `place`, or `None` and notes the visit.
    fn visit(&mut self, place: u16) -> Option<Problem> {
        let index = usize::from(place / 4);
        if place < FIRST {
            return Some(Problem::ExtendedPlace { place });
        }
        let visited = &mut self.visited[index / 64];
        if *visited & 1 << (index % 64) != 0 {
            return Some(Problem::ExtendedLoop { place });
        }
        *visited |= 1 << (index % 64);
        None
    }
}

impl<C: ConfigSpace> Iterator for ExtendedCapabilities<'_, C> {
    type Item = Result<ExtendedCapability, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next != 0 {
            let offset = core::mem::take(&mut self.next);
            let register = match self.visit(offset) {
                None => self.config.read(self.function, offset),
                Some(problem) => return Some(Err(Fault { function: self.function, offset, problem })),
            };
            if register == ABSENT {
                // A function without extended registers answers so, too: then the list is empty.
                let problem = Problem::ExtendedGone { place: offset };
                return (offset != FIRST).then_some(Err(Fault { function: self.function, offset, problem }));
            }
            // The lowest two bits of the offset are reserved, and to be ignored.
            self.next = (register >> 20) as u16 & !3;
            let id = register as u16;
            if id != 0 {
                return Some(Ok(ExtendedCapability { id, version: (register >> 16) as u8 & 0xf, offset }));
            }
        }
        None
    }
}
