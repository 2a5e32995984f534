//! The command register: what a function may do (PCI 3.0 §6.2.2).
use pci_types::PciAddress;

use crate::bar::COMMAND;
use crate::{ABSENT, ConfigPart, ConfigSpace};

/// The function answers at its I/O ports.
pub const IO: u16 = 1 << 0;
/// The function answers in its memory.
pub const MEMORY: u16 = 1 << 1;
/// The function may access memory and send messages.
pub const BUS_MASTER: u16 = 1 << 2;
/// The function does not raise its interrupt pin.
pub const NO_PIN: u16 = 1 << 10;

/// Sets the bits of `mask` in the command register to those of `value`. Returns the register as it was, or `None` if the function is
/// gone.
pub fn change(config: &impl ConfigSpace, function: PciAddress, mask: u16, value: u16) -> Option<u16> {
    let register = config.read(function, COMMAND);
    if register == ABSENT {
        return None;
    }
    let before = register as u16;
    let after = before & !mask | value & mask;
    if after != before {
        // The status beside it is not written: a one clears a bit there.
        config.write_part(function, PART, after.into());
    }
    Some(before)
}

/// The command register without the status.
const PART: ConfigPart = ConfigPart::word(COMMAND);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Registers};

    #[test]
    fn other_bits_and_the_status_stay() {
        let mut model = Model::default();
        let at = PciAddress::new(0, 0, 3, 0);
        model.insert(at, Registers::new(1, 2, 0).with(0x04, 0xf900_0003, 0xffff_0407));
        assert_eq!(change(&model, at, MEMORY | BUS_MASTER, BUS_MASTER), Some(3));
        assert_eq!(model.read(at, 0x04), 0xf900_0005);
        assert_eq!(change(&model, at, BUS_MASTER, 0), Some(5));
        assert_eq!(model.read(at, 0x04), 0xf900_0001);
    }

    #[test]
    fn a_function_that_is_gone_is_not_written() {
        let model = Model::default();
        assert_eq!(change(&model, PciAddress::new(0, 0, 3, 0), BUS_MASTER, 0), None);
        assert_eq!(model.accesses(), 1);
    }
}
