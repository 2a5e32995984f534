//! Faults of AML, the code of DSDT and SSDTs.
use core::fmt;

use units::ProximityDomain;

use crate::{Action, Rule};

/// A fault of the AML of one definition block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmlFault {
    /// The definition block: 0 for the DSDT, or the SSDT's number, counted from 1.
    pub block: u32,
    /// What is wrong.
    pub kind: AmlFaultKind,
}

/// What is wrong in AML.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum AmlFaultKind {
    Opcode { byte: u8, skipped: u32 },
    Cut { skipped: u32 },
    Name { skipped: u32 },
    LengthShort { length: u32, skipped: u32 },
    LengthLong { length: u32, left: u32 },
    AboveRoot { skipped: u32 },
    PathLong { limit: u32, skipped: u32 },
    Nesting { limit: u32, skipped: u32 },
    DeviceTwice { name: [u8; 4] },
    ObjectTwice { name: [u8; 4] },
    NoConstant { name: [u8; 4] },
    WrongType { name: [u8; 4] },
    TooLarge { name: [u8; 4], value: u64 },
    DomainUnknown { domain: ProximityDomain },
    Full { room: u32 },
}

impl AmlFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Dropped, Repaired};
        use AmlFaultKind as Kind;
        match self.kind {
            Kind::Opcode { .. } | Kind::Cut { .. } => (Rule::AmlTerm, Dropped),
            Kind::Name { .. } | Kind::AboveRoot { .. } => (Rule::AmlName, Dropped),
            Kind::LengthShort { .. } => (Rule::AmlLength, Dropped),
            Kind::LengthLong { .. } => (Rule::AmlLength, Repaired),
            Kind::PathLong { .. } | Kind::Nesting { .. } => (Rule::AmlNesting, Dropped),
            Kind::DeviceTwice { .. } | Kind::ObjectTwice { .. } => (Rule::AmlDuplicate, Dropped),
            Kind::NoConstant { .. } | Kind::WrongType { .. } | Kind::TooLarge { .. } => {
                (Rule::AmlValue, Dropped)
            }
            Kind::DomainUnknown { .. } => (Rule::AmlDomain, Dropped),
            Kind::Full { .. } => (Rule::AmlFull, Dropped),
        }
    }
}

impl fmt::Display for AmlFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.block {
            0 => self.kind.fmt(out),
            block => write!(out, "{} (SSDT {block})", self.kind),
        }
    }
}

impl fmt::Display for AmlFaultKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |name: [u8; 4]| name.map(char::from);
        match *self {
            Self::Opcode { byte, skipped } => {
                write!(out, "byte {byte:#04x} starts no term; {skipped} bytes of its package are skipped")
            }
            Self::Cut { skipped } => {
                write!(out, "a term goes past the end of its package; its {skipped} bytes are skipped")
            }
            Self::Name { skipped } => {
                write!(
                    out,
                    "a name has characters that no name has; {skipped} bytes of its package are skipped"
                )
            }
            Self::LengthShort { length, skipped } => {
                write!(
                    out,
                    "a package has length {length}, less than the length itself takes; {skipped} bytes are skipped"
                )
            }
            Self::LengthLong { length, left } => {
                write!(
                    out,
                    "a package has length {length}, but the package around it has {left} bytes left; these are used"
                )
            }
            Self::AboveRoot { skipped } => {
                write!(out, "a name leads above the root; {skipped} bytes are skipped")
            }
            Self::PathLong { limit, skipped } => {
                write!(out, "a path has more than {limit} names; {skipped} bytes are skipped")
            }
            Self::Nesting { limit, skipped } => {
                write!(out, "a package is nested more than {limit} deep; its {skipped} bytes are skipped")
            }
            Self::DeviceTwice { name } => {
                let [a, b, c, d] = text(name);
                write!(out, "device {a}{b}{c}{d} is defined twice; which of its objects exist is not known")
            }
            Self::ObjectTwice { name } => {
                let [a, b, c, d] = text(name);
                write!(out, "the device has two objects {a}{b}{c}{d}; the first one is used")
            }
            Self::NoConstant { name } => {
                let [a, b, c, d] = text(name);
                write!(out, "object {a}{b}{c}{d} is neither a constant nor a method; it is not used")
            }
            Self::WrongType { name } => {
                let [a, b, c, d] = text(name);
                write!(out, "object {a}{b}{c}{d} has a value of a type that it cannot have; it is not used")
            }
            Self::TooLarge { name, value } => {
                let [a, b, c, d] = text(name);
                write!(
                    out,
                    "object {a}{b}{c}{d} has the value {value:#x}, which is too large; it is not used"
                )
            }
            Self::DomainUnknown { domain } => {
                write!(out, "object _PXM is domain {domain}, which the SRAT gives to no node; it is not used")
            }
            Self::Full { room } => {
                write!(
                    out,
                    "there are more devices than the {room} that there is room for; the others are not read"
                )
            }
        }
    }
}
