//! The faults that tables may have, each with its numbers, its rule, its action and its sentence.
use core::fmt;

use crate::{Action, Rule, Signature};

mod aml;
mod hmat;
mod inclusive;
mod limit;
mod madt;
mod mcfg;
mod memory;
mod memory_map;
mod msct;
mod root;
mod slit;
mod srat;
mod table;

pub use aml::{AmlFault, AmlFaultKind};
pub use hmat::HmatFault;
pub use limit::LimitFault;
pub use madt::MadtFault;
pub use mcfg::McfgFault;
pub use memory::MemoryFault;
pub use memory_map::MemoryMapFault;
pub use msct::MsctFault;
pub use root::RootFault;
pub use slit::SlitFault;
pub use srat::SratFault;
pub use table::{EntryFault, TableFault};

/// What is wrong in a [`Finding`](crate::Finding). Displays as a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// A fault of a table as a whole.
    Table(TableFault),
    /// A fault of an entry of any table.
    Entry(EntryFault),
    /// A fault of an SRAT's CPUs and devices.
    Srat(SratFault),
    /// A fault of an SRAT's memory ranges.
    Memory(MemoryFault),
    /// A fault of a SLIT.
    Slit(SlitFault),
    /// A fault of a MADT's CPUs.
    Madt(MadtFault),
    /// A fault of an HMAT.
    Hmat(HmatFault),
    /// A fault of an MCFG.
    Mcfg(McfgFault),
    /// A fault of an MSCT.
    Msct(MsctFault),
    /// A fault of AML.
    Aml(AmlFault),
    /// A fault of the root pointer or of a root table.
    Root(RootFault),
    /// A fault of the memory map.
    MemoryMap(MemoryMapFault),
    /// A value that the kernel has no room for.
    Limit(LimitFault),
    /// Findings that [`Capped`](crate::Capped) counted without reporting them.
    More {
        /// The rule of these findings.
        rule: Rule,
        /// The action of these findings.
        action: Action,
        /// How many findings they are.
        count: u32,
    },
}

impl Fault {
    /// Returns the rule that this fault breaks in this table, and what is done about it.
    #[must_use]
    pub const fn verdict(&self, table: Signature) -> (Rule, Action) {
        match self {
            Self::Table(fault) => fault.verdict(),
            Self::Entry(fault) => fault.verdict(table),
            Self::Srat(fault) => fault.verdict(),
            Self::Memory(fault) => fault.verdict(),
            Self::Slit(fault) => fault.verdict(),
            Self::Madt(fault) => fault.verdict(),
            Self::Hmat(fault) => fault.verdict(),
            Self::Mcfg(fault) => fault.verdict(),
            Self::Msct(fault) => fault.verdict(),
            Self::Aml(fault) => fault.verdict(),
            Self::Root(fault) => fault.verdict(),
            Self::MemoryMap(fault) => fault.verdict(),
            Self::Limit(fault) => fault.verdict(),
            Self::More { rule, action, .. } => (*rule, *action),
        }
    }

    /// Returns true if the fault makes the rest of the table unreadable.
    #[must_use]
    pub const fn ends_table(&self) -> bool {
        matches!(self, Self::Entry(fault) if fault.ends_table())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(fault) => fault.fmt(out),
            Self::Entry(fault) => fault.fmt(out),
            Self::Srat(fault) => fault.fmt(out),
            Self::Memory(fault) => fault.fmt(out),
            Self::Slit(fault) => fault.fmt(out),
            Self::Madt(fault) => fault.fmt(out),
            Self::Hmat(fault) => fault.fmt(out),
            Self::Mcfg(fault) => fault.fmt(out),
            Self::Msct(fault) => fault.fmt(out),
            Self::Aml(fault) => fault.fmt(out),
            Self::Root(fault) => fault.fmt(out),
            Self::MemoryMap(fault) => fault.fmt(out),
            Self::Limit(fault) => fault.fmt(out),
            Self::More { count, .. } => write!(out, "and {count} more of this rule"),
        }
    }
}

macro_rules! from_faults {
    ($($variant:ident($fault:ident),)*) => {$(
        impl From<$fault> for Fault {
            fn from(fault: $fault) -> Self {
                Self::$variant(fault)
            }
        }
    )*};
}

from_faults! {
    Table(TableFault),
    Entry(EntryFault),
    Srat(SratFault),
    Memory(MemoryFault),
    Slit(SlitFault),
    Madt(MadtFault),
    Hmat(HmatFault),
    Mcfg(McfgFault),
    Msct(MsctFault),
    Aml(AmlFault),
    Root(RootFault),
    Limit(LimitFault),
    MemoryMap(MemoryMapFault),
}
