//! The interrupts that arise in a CPU itself: their entries in the APIC's local vector table, and the values that the kernel gives them
//! (Intel SDM vol. 3 §11.5.1).
use super::{machine_check, vectors};

// The registers of the entries.
const CORRECTED_ERROR: u32 = 0x2f0;
const TIMER: u32 = 0x320;
const THERMAL: u32 = 0x330;
const PERFORMANCE: u32 = 0x340;
const LINT0: u32 = 0x350;
const LINT1: u32 = 0x360;
const ERROR: u32 = 0x370;

/// No interrupt.
const MASKED: u32 = 1 << 16;
/// A non-maskable interrupt.
const NON_MASKABLE: u32 = 0b100 << 8;
/// The bits of an entry that say what it delivers, and their value for an interrupt to firmware (SMI).
const DELIVERY: u32 = 0b111 << 8;
const SYSTEM_MANAGEMENT: u32 = 0b010 << 8;
/// The bits of an entry that the kernel sets. Bits 12 and 14 say what the APIC does at the moment.
pub const ENTRY_SETTING: u32 = !(1 << 12 | 1 << 14);

/// An interrupt that arises in the CPU itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalInterrupt {
    /// The timer. Its vector, in one-shot mode, not masked.
    Timer,
    /// The pin LINT0, on a PC that of the legacy interrupt controller. Masked.
    Lint0,
    /// The pin LINT1, on a PC that of non-maskable interrupts. Not masked.
    Lint1,
    /// Errors of the APIC. Masked.
    Error,
    /// Performance counters. Masked.
    Performance,
    /// The temperature. Masked.
    Thermal,
    /// Corrected machine checks. Masked.
    CorrectedError,
}

impl LocalInterrupt {
    /// All entries, with their registers and the values that the kernel gives them.
    const ALL: [(Self, u32, u32); 7] = [
        (Self::Timer, TIMER, vectors::TIMER as u32),
        (Self::Lint0, LINT0, MASKED),
        (Self::Lint1, LINT1, NON_MASKABLE),
        (Self::Error, ERROR, MASKED),
        (Self::Performance, PERFORMANCE, MASKED),
        (Self::Thermal, THERMAL, MASKED),
        (Self::CorrectedError, CORRECTED_ERROR, MASKED),
    ];

    /// Returns true if an APIC whose last entry has this index has this entry. Access to an entry that it lacks is an error.
    fn is_present(self, last: u32) -> bool {
        match self {
            Self::Timer | Self::Lint0 | Self::Lint1 | Self::Error => true,
            Self::Performance => last >= 4,
            Self::Thermal => last >= 5,
            Self::CorrectedError => last >= 6 && machine_check::has_corrected_interrupt(),
        }
    }
}

/// Returns the entries of an APIC whose last one has this index, with their registers and the values that the kernel gives them.
pub fn of_apic(last: u32) -> impl Iterator<Item = (LocalInterrupt, u32, u32)> {
    LocalInterrupt::ALL.into_iter().filter(move |(entry, ..)| entry.is_present(last))
}

/// Returns true if an entry with this value interrupts firmware. The kernel leaves such an entry alone: firmware may protect the
/// machine from overheating with it.
pub fn is_firmwares(entry: u32) -> bool {
    entry & DELIVERY == SYSTEM_MANAGEMENT
}
