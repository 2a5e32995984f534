//! What a machine-check bank says (Intel SDM vol. 3 §16.3.2, §16.9).
use core::fmt;

// Bits of a bank's status (Intel SDM vol. 3 §16.3.2.2).
const VALID: u64 = 1 << 63;
const OVERFLOW: u64 = 1 << 62;
const UNCORRECTED: u64 = 1 << 61;
const HAS_INFORMATION: u64 = 1 << 59;
const HAS_ADDRESS: u64 = 1 << 58;

/// An error that a bank holds. Its text names the bank, the kind of error, the status, and what else the bank has kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MachineCheckError {
    bank: u32,
    status: u64,
    address: Option<u64>,
    information: Option<u64>,
}

impl MachineCheckError {
    /// Returns the error of a bank with this status, or `None` if it holds none. `address` and `information` read the bank's other
    /// registers. They are called only if the status says that these registers are there and valid.
    pub fn new(
        bank: u32,
        status: u64,
        address: impl FnOnce() -> u64,
        information: impl FnOnce() -> u64,
    ) -> Option<Self> {
        (status & VALID != 0).then(|| Self {
            bank,
            status,
            address: (status & HAS_ADDRESS != 0).then(address),
            information: (status & HAS_INFORMATION != 0).then(information),
        })
    }
}

impl fmt::Display for MachineCheckError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bank, status, .. } = self;
        let correction = if status & UNCORRECTED == 0 { "corrected" } else { "uncorrected" };
        write!(out, "bank {bank}: {correction} error {}, status {status:#018x}", origin(*status as u16))?;
        if let Some(address) = self.address {
            write!(out, ", address {address:#018x}")?;
        }
        if let Some(information) = self.information {
            write!(out, ", information {information:#018x}")?;
        }
        if status & OVERFLOW != 0 { out.write_str(", and an earlier one was lost") } else { Ok(()) }
    }
}

/// Returns where the error arose, by the error code of the architecture (Intel SDM vol. 3 §16.9). Bit 12 only says how corrected errors
/// are counted.
fn origin(code: u16) -> &'static str {
    match code & !(1 << 12) {
        0x0001 => "without a class",
        0x0002 => "of the microcode's memory",
        0x0003 => "outside of the CPU",
        0x0005 => "of parity in the CPU",
        0x0400 => "of the CPU's timer: it made no progress",
        0x0e0b => "of input or output",
        0x000c..=0x000f | 0x0100..=0x01ff => "in a cache",
        0x0010..=0x001f => "in a TLB",
        0x0080..=0x00ff | 0x0280..=0x02ff => "of memory",
        0x0401..=0x07ff => "in the CPU",
        0x0800..=0x0e0a | 0x0e0c..=0x0fff => "on a bus",
        _ => "of an unknown kind",
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    fn text(status: u64) -> Option<std::string::String> {
        MachineCheckError::new(3, status, || 0x1234_5000, || 0x8c).map(|error| error.to_string())
    }

    #[test]
    fn a_bank_without_an_error_has_none() {
        assert_eq!(text(!VALID), None);
    }

    #[test]
    fn an_error_has_what_its_status_says() {
        assert_eq!(
            text(VALID | 0x0185).unwrap(),
            "bank 3: corrected error in a cache, status 0x8000000000000185"
        );
        assert_eq!(
            text(0xfe00_0000_0000_009f).unwrap(),
            "bank 3: uncorrected error of memory, status 0xfe0000000000009f, address 0x0000000012345000, \
             information 0x000000000000008c, and an earlier one was lost"
        );
    }

    #[test]
    fn registers_that_the_status_does_not_name_are_not_read() {
        let read = || panic!("this register may not exist");
        assert!(MachineCheckError::new(0, VALID, read, read).is_some());
    }

    #[test]
    fn every_error_code_has_an_origin() {
        for (code, words) in [
            (0x0005, "of parity in the CPU"),
            (0x000e, "in a cache"),
            (0x0014, "in a TLB"),
            (0x1090, "of memory"),
            (0x0135, "in a cache"),
            (0x0400, "of the CPU's timer: it made no progress"),
            (0x0405, "in the CPU"),
            (0x0e0b, "of input or output"),
            (0x0e0f, "on a bus"),
            (0x0200, "of an unknown kind"),
        ] {
            assert_eq!(origin(code), words, "{code:#x}");
        }
    }
}
