//! What is wrong with a function, with its numbers, its rule, its action and its sentence.
use core::fmt;

use pci_types::PciAddress;

use crate::Rule;

/// A fault of a function. Displays as a sentence without the function's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The function.
    pub function: PciAddress,
    /// Bytes from the start of its configuration space to the fault.
    pub offset: u16,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong. Displays as a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum Problem {
    EcamUnmapped { first_bus: u8, last_bus: u8 },
    EcamSilent,
    NotReady,
    HeaderType { header: u8 },
    Pin { pin: u8 },
    BridgeBuses { secondary: u8, subordinate: u8 },
    BridgeOverlap { secondary: u8, subordinate: u8, bus: u8 },
    BridgeReach { secondary: u8, subordinate: u8, bus: u8 },
    BarType { bar: u8, value: u32 },
    BarHalf { bar: u8 },
    BarSize { bar: u8, mask: u64 },
    BarPlace { bar: u8, address: u64, size: u64 },
    BarNoRoom { bar: u8, size: u64 },
    BarNotKept { bar: u8, address: u64 },
    BridgeWindow { size: u64 },
    CapabilityPlace { place: u16 },
    CapabilityLoop { place: u16 },
    CapabilityGone { place: u16 },
    ExtendedPlace { place: u16 },
    ExtendedLoop { place: u16 },
    ExtendedGone { place: u16 },
    MsiVectors { exponent: u8 },
    MessagePlace { name: &'static str, bytes: u16 },
    MsiXPlace { part: &'static str, bar: u8, offset: u32 },
    Full { limit: usize },
    More { rule: Rule, count: u32 },
}

impl Problem {
    /// Returns the rule that the function breaks.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        match self {
            Self::EcamUnmapped { .. } | Self::EcamSilent => Rule::Ecam,
            Self::NotReady => Rule::NotReady,
            Self::HeaderType { .. } => Rule::Header,
            Self::Pin { .. } => Rule::Pin,
            Self::BridgeBuses { .. } => Rule::BridgeBuses,
            Self::BridgeOverlap { .. } => Rule::BridgeOverlap,
            Self::BridgeReach { .. } => Rule::BridgeReach,
            Self::BarType { .. } | Self::BarHalf { .. } => Rule::BarType,
            Self::BarSize { .. } | Self::BarPlace { .. } => Rule::BarSize,
            Self::BarNoRoom { .. } | Self::BarNotKept { .. } => Rule::BarAddress,
            Self::BridgeWindow { .. } => Rule::BridgeWindow,
            Self::CapabilityPlace { .. } | Self::CapabilityLoop { .. } | Self::CapabilityGone { .. } => {
                Rule::Capabilities
            }
            Self::ExtendedPlace { .. } | Self::ExtendedLoop { .. } | Self::ExtendedGone { .. } => {
                Rule::ExtendedCapabilities
            }
            Self::MsiVectors { .. } => Rule::Msi,
            Self::MessagePlace { name, .. } if name.len() == Problem::MSI.len() => Rule::Msi,
            Self::MessagePlace { .. } | Self::MsiXPlace { .. } => Rule::MsiX,
            Self::Full { .. } => Rule::Full,
            Self::More { rule, .. } => *rule,
        }
    }

    /// Returns what was done about it: always `dropped`. What is wrong is not used, and nothing is guessed in its place.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        "dropped"
    }

    pub(crate) const MSI: &'static str = "MSI";
    pub(crate) const MSI_X: &'static str = "MSI-X";
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(out)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::EcamUnmapped { first_bus, last_bus } => {
                write!(
                    out,
                    "the configuration space of buses {first_bus:02x} to {last_bus:02x} cannot be mapped"
                )
            }
            Self::EcamSilent => {
                write!(out, "no function answers in the configuration space that the MCFG gives")
            }
            Self::NotReady => write!(out, "the function is not ready; it is left out"),
            Self::HeaderType { header } => {
                write!(out, "header type {header:#x} does not exist; only the ids and the class are used")
            }
            Self::Pin { pin } => write!(out, "interrupt pin {pin} does not exist; none is used"),
            Self::BridgeBuses { secondary, subordinate } => {
                write!(
                    out,
                    "{secondary:02x} to {subordinate:02x} are no buses behind this bridge; it is not followed"
                )
            }
            Self::BridgeOverlap { secondary, subordinate, bus } => write!(
                out,
                "of the bridge's buses {secondary:02x} to {subordinate:02x}, bus {bus:02x} is not below its own bus alone; \
                 it is not followed"
            ),
            Self::BridgeReach { secondary, subordinate, bus } => write!(
                out,
                "of the bridge's buses {secondary:02x} to {subordinate:02x}, bus {bus:02x} cannot be reached"
            ),
            Self::BarType { bar, value } => {
                write!(out, "BAR {bar} is {value:#010x}, of a type that does not exist; it is not used")
            }
            Self::BarHalf { bar } => write!(out, "BAR {bar} has 64 bits and no second half; it is not used"),
            Self::BarSize { bar, mask } => {
                write!(out, "BAR {bar} has the writable bits {mask:#x}, which give no size; it is not used")
            }
            Self::BarPlace { bar, address, size } => {
                write!(out, "BAR {bar} of {size:#x} bytes cannot be at {address:#x}; it is not used")
            }
            Self::BarNoRoom { bar, size } => {
                write!(
                    out,
                    "BAR {bar} has no address, and no free ones are known for its {size:#x}; it is not used"
                )
            }
            Self::BarNotKept { bar, address } => {
                write!(out, "BAR {bar} does not keep the address {address:#x}; it is not used")
            }
            Self::BridgeWindow { size } => {
                write!(out, "no window of {size:#x} bytes can be opened for the functions behind this bridge")
            }
            Self::CapabilityPlace { place } | Self::ExtendedPlace { place } => {
                write!(out, "no capability can be at {place:#x}; the list ends before it")
            }
            Self::CapabilityLoop { place } | Self::ExtendedLoop { place } => {
                write!(out, "the list of capabilities returns to {place:#x}; it ends before that")
            }
            Self::CapabilityGone { place } | Self::ExtendedGone { place } => {
                write!(
                    out,
                    "nothing answers at {place:#x}, where a capability should be; the list ends before it"
                )
            }
            Self::MsiVectors { exponent } => {
                write!(out, "MSI has no exponent {exponent} of vectors; MSI is not used")
            }
            Self::MessagePlace { name, bytes } => {
                write!(out, "{bytes} bytes of {name} do not fit there; {name} is not used")
            }
            Self::MsiXPlace { part, bar, offset } => {
                write!(out, "the {part} of MSI-X cannot be at {offset:#x} in BAR {bar}; MSI-X is not used")
            }
            Self::Full { limit } => {
                write!(out, "there is room for {limit} functions; this one and later ones are left out")
            }
            Self::More { count, .. } => write!(out, "and {count} more of this rule"),
        }
    }
}
