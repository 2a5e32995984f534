//! Makes functions send messages, by the registers of MSI and MSI-X (PCI 3.0 §6.8). MSI-X has its messages in a table, which is in memory
//! and not here.
use pci_types::PciAddress;

use crate::{ABSENT, ConfigSpace, Msi, MsiX};

/// Bits of MSI's first register: messages are on; how many are in use, as an exponent.
const MSI_ON: u32 = 1 << 16;
const MSI_IN_USE: u32 = 0b111 << 20;
/// Bits of MSI-X's first register: messages are on; all of them are masked.
const MSI_X_ON: u32 = 1 << 31;
const MSI_X_MASKED: u32 = 1 << 30;
/// The messages of MSI-X that are masked: bit 0 of each entry's last register.
pub const ENTRY_MASKED: u32 = 1;
/// Bytes of an entry in the table of MSI-X.
pub const ENTRY_SIZE: u64 = 16;

impl Msi {
    /// Turns the function's one message on or off. Returns false if the function does not answer, or keeps its setting.
    pub fn set_on(&self, config: &impl ConfigSpace, function: PciAddress, on: bool) -> bool {
        let register = config.read(function, self.offset);
        if register == ABSENT {
            return false;
        }
        let wanted = register & !(MSI_ON | MSI_IN_USE) | if on { MSI_ON } else { 0 };
        config.write(function, self.offset, wanted);
        config.read(function, self.offset) & (MSI_ON | MSI_IN_USE) == wanted & (MSI_ON | MSI_IN_USE)
    }

    /// Sets where the message goes, in one access, unless the upper half of the address was not 0.
    pub fn set_address(&self, config: &impl ConfigSpace, function: PciAddress, address: u32) {
        if self.is_64_bit && config.read(function, self.offset + 8) != 0 {
            config.write(function, self.offset + 8, 0);
        }
        config.write(function, self.offset + 4, address);
    }

    /// Sets what the message says, in one access.
    pub fn set_data(&self, config: &impl ConfigSpace, function: PciAddress, data: u16) {
        let register = self.offset + if self.is_64_bit { 12 } else { 8 };
        config.write(function, register, data.into());
    }

    /// Masks or unmasks the message. Returns false if the function has no masks, or does not keep this one. The message that the function
    /// wants to send while it is masked is sent when it is unmasked.
    pub fn set_masked(&self, config: &impl ConfigSpace, function: PciAddress, masked: bool) -> bool {
        if !self.has_masks {
            return false;
        }
        let register = self.offset + if self.is_64_bit { 16 } else { 12 };
        let before = config.read(function, register);
        if before == ABSENT {
            return false;
        }
        config.write(function, register, before & !1 | u32::from(masked));
        // The read returns only when the messages that the function has sent are at the CPUs.
        config.read(function, register) & 1 == u32::from(masked)
    }
}

/// What a function does with the messages of MSI-X.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MsiXState {
    /// It sends none.
    Off,
    /// It keeps all of them back. Their entries may be written.
    Masked,
    /// It sends those that are not masked in the table.
    On,
}

impl MsiX {
    /// Sets what the function does. Returns false if it does not answer, or does not keep the setting.
    pub fn set_state(&self, config: &impl ConfigSpace, function: PciAddress, state: MsiXState) -> bool {
        let register = config.read(function, self.offset);
        if register == ABSENT {
            return false;
        }
        let bits = match state {
            MsiXState::Off => 0,
            MsiXState::Masked => MSI_X_ON | MSI_X_MASKED,
            MsiXState::On => MSI_X_ON,
        };
        config.write(function, self.offset, register & !(MSI_X_ON | MSI_X_MASKED) | bits);
        config.read(function, self.offset) & (MSI_X_ON | MSI_X_MASKED) == bits
    }
}
