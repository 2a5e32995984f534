//! The capabilities of message-signalled interrupts: MSI and MSI-X (PCI 3.0 §6.8).
use pci_types::PciAddress;

use crate::{Bar, Capability, ConfigSpace, Problem};

/// Where the registers of capabilities end.
const END: u16 = 256;

/// MSI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Msi {
    /// Where the capability starts.
    pub offset: u16,
    /// The vectors that the function can use: 1, 2, 4, 8, 16 or 32.
    pub vectors: u8,
    /// Messages may go to addresses above 4 GiB.
    pub is_64_bit: bool,
    /// Each vector can be masked.
    pub has_masks: bool,
}

/// A place in the memory of a BAR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The BAR's number.
    pub bar: u8,
    /// Bytes from the start of the BAR's memory.
    pub offset: u32,
}

/// MSI-X.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MsiX {
    /// Where the capability starts.
    pub offset: u16,
    /// The vectors: 1 to 2048.
    pub vectors: u16,
    /// The table: 16 bytes for each vector. It lies in the memory of its BAR.
    pub table: Place,
    /// The pending bits: 8 bytes for each 64 vectors. They lie in the memory of their BAR.
    pub pending: Place,
}

/// Reads the capability.
pub fn msi(capability: Capability) -> Result<Msi, Problem> {
    let control = capability.register >> 16;
    let exponent = (control >> 1 & 0b111) as u8;
    if exponent > 5 {
        return Err(Problem::MsiVectors { exponent });
    }
    let (is_64_bit, has_masks) = (control & 1 << 7 != 0, control & 1 << 8 != 0);
    let bytes = match (is_64_bit, has_masks) {
        (false, false) => 10,
        (true, false) => 14,
        (false, true) => 20,
        (true, true) => 24,
    };
    if capability.offset + bytes > END {
        return Err(Problem::MessagePlace { name: Problem::MSI, bytes });
    }
    Ok(Msi { offset: capability.offset, vectors: 1 << exponent, is_64_bit, has_masks })
}

/// Reads the capability of a function with these BARs.
pub fn msi_x(
    config: &impl ConfigSpace,
    function: PciAddress,
    capability: Capability,
    bars: &[Option<Bar>],
) -> Result<MsiX, Problem> {
    const BYTES: u16 = 12;
    let offset = capability.offset;
    if offset + BYTES > END {
        return Err(Problem::MessagePlace { name: Problem::MSI_X, bytes: BYTES });
    }
    let vectors = (capability.register >> 16 & 0x7ff) as u16 + 1;
    let read = |part, register, bytes: u64| {
        let value = config.read(function, offset + register);
        let (bar, offset) = ((value & 0b111) as u8, value & !0b111);
        let in_memory = bars.get(usize::from(bar)).copied().flatten().filter(Bar::is_memory);
        match in_memory.filter(|bar| u64::from(offset) + bytes <= bar.size) {
            Some(_) => Ok(Place { bar, offset }),
            None => Err(Problem::MsiXPlace { part, bar, offset }),
        }
    };
    let table = read("table", 4, u64::from(vectors) * 16)?;
    let pending = read("pending bits", 8, u64::from(vectors).div_ceil(64) * 8)?;
    Ok(MsiX { offset, vectors, table, pending })
}
