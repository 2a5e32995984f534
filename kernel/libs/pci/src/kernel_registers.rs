//! Which configuration registers of a function belong to the kernel, and which its driver may write.
use crate::capability::id;
use crate::extended_capability::id as extended;
use crate::{ConfigPart, ConfigSpace, EXTENDED_SIZE, Function};

/// Bytes of a register that is written as a whole.
const REGISTER: u16 = 4;
/// The end of the header, which belongs to the kernel but for [`HEADER_FREE`].
const HEADER_END: u16 = 0x40;
/// The bytes of the header that a driver may write: the status, whose bits are cleared so, the size of cache lines, and the latency timer.
const HEADER_FREE: [u16; 4] = [0x06, 0x07, 0x0c, 0x0d];

/// Bits of a byte that no driver may set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ForbiddenBits {
    offset: u16,
    bits: u8,
}

/// The most capabilities with single bits that are the kernel's.
const MOST_BITS: usize = 4;

/// The registers of a function that belong to the kernel: those that place the function, that stop or reset it, and that send its
/// interrupts. What a driver writes elsewhere moves no BAR and no interrupt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelRegisters {
    /// Bit n of word m for the four bytes at offset 4 × (64m + n).
    owned: [u64; EXTENDED_SIZE as usize / 4 / 64],
    bits: [Option<ForbiddenBits>; MOST_BITS],
}

impl KernelRegisters {
    /// Finds the registers of a function. A function of an unknown kind has none behind its header that a driver may write.
    #[must_use]
    pub fn of(config: &impl ConfigSpace, function: &Function) -> Self {
        let Some(capabilities) = function.capabilities(config) else {
            // A function without capabilities may have registers of its own behind the header.
            let owned = if function.header == crate::Header::Unknown { EXTENDED_SIZE } else { HEADER_END };
            let mut registers = Self { owned: [0; _], bits: [None; _] };
            registers.own(0, owned);
            return registers;
        };
        let mut registers = Self { owned: [0; _], bits: [None; _] };
        registers.own(0, HEADER_END);
        for capability in capabilities.flatten() {
            registers.add(capability.id, capability.offset, capability.register);
        }
        for capability in function.extended_capabilities(config).into_iter().flatten().flatten() {
            registers.add_extended(capability.id, capability.offset);
        }
        registers
    }

    fn own(&mut self, start: u16, length: u16) {
        let end = (start.saturating_add(length)).min(EXTENDED_SIZE);
        for register in start / REGISTER..end.div_ceil(REGISTER) {
            self.owned[usize::from(register / 64)] |= 1 << (register % 64);
        }
    }

    /// Forbids some bits of a byte. If there is no room for that, the whole register is the kernel's.
    fn forbid(&mut self, offset: u16, bits: u8) {
        match self.bits.iter_mut().find(|entry| entry.is_none()) {
            Some(entry) => *entry = Some(ForbiddenBits { offset, bits }),
            None => self.own(offset, 1),
        }
    }

    fn add(&mut self, id: u8, offset: u16, register: u32) {
        match id {
            // The power state (PCI Power Management 1.2 §3.2.4): a function that comes back from D3 may have lost its BARs.
            id::POWER => self.forbid(offset + 4, 0b11),
            id::MSI => self.own(offset, 24),
            // Bit 15 of the device control begins a reset (PCI Express 6.0 §7.5.3.4).
            id::EXPRESS => self.forbid(offset + 9, 0x80),
            id::MSI_X => self.own(offset, 12),
            // Its one control bit begins a reset (Advanced Capabilities for Conventional PCI §3).
            id::ADVANCED => self.own(offset, 8),
            // Takes the place of BARs: up to 63 entries of up to 20 bytes (PCI Express 6.0 §7.8.5).
            id::ENHANCED_ALLOCATION => self.own(offset, 8 + 20 * (register >> 16 & 0x3f) as u16),
            _ => {}
        }
    }

    fn add_extended(&mut self, id: u16, offset: u16) {
        match id {
            // The BARs of virtual functions, and the bit that makes these.
            extended::SR_IOV => self.own(offset, 64),
            // Changes the sizes of up to six BARs.
            extended::RESIZABLE_BAR | extended::RESIZABLE_BAR_OF_VIRTUAL => self.own(offset, 4 + 6 * 8),
            _ => {}
        }
    }

    /// Returns true if a driver may write these bytes at `offset`, of which `access` says that it is possible.
    #[must_use]
    pub fn may_write(&self, access: ConfigPart, value: u32) -> bool {
        value.to_le_bytes().into_iter().zip(access.bytes()).all(|(value, offset)| {
            let register = offset / REGISTER;
            let is_owned = self.owned[usize::from(register / 64)] & 1 << (register % 64) != 0;
            let is_forbidden = |entry: &ForbiddenBits| entry.offset == offset && value & entry.bits != 0;
            (!is_owned || HEADER_FREE.contains(&offset)) && !self.bits.iter().flatten().any(is_forbidden)
        })
    }
}
