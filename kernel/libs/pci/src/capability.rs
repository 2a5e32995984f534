//! The list of capabilities in the first 256 bytes (PCI 3.0 §6.7).
use pci_types::PciAddress;

use crate::{ABSENT, ConfigSpace, Fault, Problem};

/// The first place of a capability: after the header.
const FIRST: u16 = 0x40;

/// Ids of capabilities (PCI Code and ID Assignment 1.16 §2).
pub mod id {
    /// Power management.
    pub const POWER: u8 = 0x01;
    /// Message-signalled interrupts.
    pub const MSI: u8 = 0x05;
    /// PCI Express.
    pub const EXPRESS: u8 = 0x10;
    /// Message-signalled interrupts with a table of vectors.
    pub const MSI_X: u8 = 0x11;
    /// Advanced features, which functions without PCI Express may have: a reset.
    pub const ADVANCED: u8 = 0x13;
    /// Fixed addresses instead of BARs.
    pub const ENHANCED_ALLOCATION: u8 = 0x14;
}

/// A capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capability {
    /// The id, not 0.
    pub id: u8,
    /// Where it starts: a multiple of 4 from 0x40 to 0xfc.
    pub offset: u16,
    /// Its first register. The upper half belongs to the capability.
    pub register: u32,
}

/// The capabilities of a function, in the list's order. After a fault the list ends.
#[derive(Clone, Debug)]
pub struct Capabilities<'a, C> {
    config: &'a C,
    function: PciAddress,
    next: u16,
    /// The places that were visited: bit n for offset 4n.
    visited: u64,
}

impl<'a, C: ConfigSpace> Capabilities<'a, C> {
    /// Starts at the capability that this register points at: 0x34, or 0x14 in the header of a CardBus bridge. The caller has
    /// seen in the status register that there is a list.
    pub(crate) fn new(config: &'a C, function: PciAddress, pointer: u16) -> Self {
        let next = next_of(config.read(function, pointer) as u8);
        Self { config, function, next, visited: 0 }
    }

    /// Returns the problem of a capability that starts at `place`, or `None` and notes the visit.
    fn visit(&mut self, place: u16) -> Option<Problem> {
        let bit = 1 << (place / 4);
        if place < FIRST {
            return Some(Problem::CapabilityPlace { place });
        }
        if self.visited & bit != 0 {
            return Some(Problem::CapabilityLoop { place });
        }
        self.visited |= bit;
        None
    }
}

/// Returns the place of the next capability. The lowest two bits are reserved, and to be ignored.
const fn next_of(pointer: u8) -> u16 {
    (pointer & !3) as u16
}

impl<C: ConfigSpace> Iterator for Capabilities<'_, C> {
    type Item = Result<Capability, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next != 0 {
            let offset = core::mem::take(&mut self.next);
            let register = match self.visit(offset) {
                None => self.config.read(self.function, offset),
                Some(problem) => return Some(Err(Fault { function: self.function, offset, problem })),
            };
            if register == ABSENT {
                let problem = Problem::CapabilityGone { place: offset };
                return Some(Err(Fault { function: self.function, offset, problem }));
            }
            self.next = next_of((register >> 8) as u8);
            // An id of 0 is a capability that is not there.
            let id = register as u8;
            if id != 0 {
                return Some(Ok(Capability { id, offset, register }));
            }
        }
        None
    }
}
