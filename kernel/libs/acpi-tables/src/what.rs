//! What was wrong, as numbers and as a sentence: the one place with a finding's prose.
use core::fmt;

use units::{ApicId, NodeId, PhysRange, ProximityDomain};

use crate::{Action, Rule, Signature};

mod hmat;
mod root;

pub use hmat::HmatFault;
pub use root::RootFault;

/// What a [`Finding`](crate::Finding) found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant's sentence, below, says what its fields are")]
pub enum What {
    TableShort {
        length: u64,
        needed: u32,
    },
    TableCut {
        length: u32,
        mapped: u64,
    },
    TableChecksum {
        sum: u8,
    },
    TableDuplicate,
    TableWithoutSignature,
    EntryWithoutLength {
        kind: u16,
        length: u32,
    },
    EntryShort {
        kind: u16,
        length: u32,
        needed: u32,
    },
    EntryLong {
        kind: u16,
        length: u32,
        needed: u32,
    },
    EntryPastEnd {
        kind: u16,
        length: u32,
        left: u32,
        next: Option<u32>,
    },
    EntryHeaderCut,
    EntryTypeUnknown {
        kind: u16,
    },
    DeviceHandle {
        kind: u8,
    },
    DomainWide {
        written: ProximityDomain,
        used: ProximityDomain,
    },
    CpuInTwoDomains {
        apic_id: ApicId,
        used: ProximityDomain,
        other: ProximityDomain,
    },
    CpuUnknown {
        apic_id: ApicId,
        domain: ProximityDomain,
    },
    CpuMissing {
        apic_id: ApicId,
        node: NodeId,
        neighbour: Option<ApicId>,
    },
    MemoryEmpty {
        base: u64,
        domain: ProximityDomain,
    },
    MemoryWraps {
        base: u64,
        length: u64,
        domain: ProximityDomain,
    },
    MemoryLastFrame {
        base: u64,
        domain: ProximityDomain,
        used: Option<PhysRange>,
    },
    MemoryUnaligned {
        base: u64,
        length: u64,
        used: PhysRange,
    },
    MemoryNoRam {
        range: PhysRange,
        domain: ProximityDomain,
    },
    MemoryOverlap {
        range: PhysRange,
        domain: ProximityDomain,
    },
    MemoryConflict {
        range: PhysRange,
        domain: ProximityDomain,
        other: ProximityDomain,
    },
    MemoryUncovered {
        range: PhysRange,
        ram: u64,
        node: NodeId,
    },
    SratEmpty,
    SlitWithoutLocalities,
    SlitShort {
        localities: u64,
        have: u64,
    },
    SlitLong {
        localities: u64,
        have: u64,
    },
    SlitDomain {
        domain: ProximityDomain,
        localities: u64,
    },
    SlitDiagonal {
        domain: ProximityDomain,
        distance: u8,
    },
    SlitDistance {
        from: ProximityDomain,
        to: ProximityDomain,
        distance: u8,
        count: u32,
    },
    CpuBroadcast {
        apic_id: ApicId,
    },
    CpuDuplicate {
        apic_id: ApicId,
    },
    BootCpuMissing {
        apic_id: ApicId,
    },
    DomainsFull {
        domain: ProximityDomain,
        limit: usize,
    },
    CpusFull {
        apic_id: ApicId,
        limit: usize,
    },
    RangesFull {
        range: PhysRange,
        limit: usize,
    },
    RamRangesFull {
        limit: usize,
    },
    MsctWithoutDomains {
        offset: u32,
        length: u32,
    },
    MsctRange {
        first: ProximityDomain,
        last: ProximityDomain,
    },
    Hmat(HmatFault),
    Root(RootFault),
    /// What [`Capped`](crate::Capped) counted in place of telling it.
    More {
        rule: Rule,
        action: Action,
        count: u32,
    },
}

impl What {
    /// Whether the table is not read any further behind this.
    #[must_use]
    pub const fn ends_table(&self) -> bool {
        matches!(
            self,
            Self::EntryWithoutLength { .. } | Self::EntryHeaderCut | Self::EntryPastEnd { next: None, .. }
        )
    }

    /// The rule that this breaks in that table, and what is done about it.
    #[must_use]
    pub const fn verdict(&self, table: Signature) -> (Rule, Action) {
        use Action::{Dropped, Mended, Refused};
        let entry_length = match table {
            Signature::MADT => Rule::MadtEntryLength,
            Signature::HMAT => Rule::HmatEntryLength,
            Signature::MSCT => Rule::MsctEntryLength,
            _ => Rule::SratEntryLength,
        };
        match self {
            Self::TableShort { .. } => (Rule::TableLength, Refused),
            Self::TableCut { .. } => (Rule::TableLength, Mended),
            Self::TableChecksum { .. } => (Rule::TableChecksum, Mended),
            Self::TableDuplicate => (Rule::TableDuplicate, Refused),
            Self::TableWithoutSignature => (Rule::TableSignature, Refused),
            Self::EntryLong { .. } => (entry_length, Mended),
            Self::EntryWithoutLength { .. }
            | Self::EntryShort { .. }
            | Self::EntryPastEnd { .. }
            | Self::EntryHeaderCut => (entry_length, Dropped),
            Self::EntryTypeUnknown { .. } => match table {
                Signature::HMAT => (Rule::HmatEntryType, Dropped),
                _ => (Rule::SratEntryType, Dropped),
            },
            Self::DeviceHandle { .. } => (Rule::SratDeviceHandle, Mended),
            Self::DomainWide { .. } => (Rule::SratDomainWide, Mended),
            Self::CpuInTwoDomains { .. } => (Rule::SratCpuDuplicate, Dropped),
            Self::CpuUnknown { .. } => (Rule::SratCpuUnknown, Dropped),
            Self::CpuMissing { .. } => (Rule::SratCpuMissing, Mended),
            Self::MemoryEmpty { .. } => (Rule::SratMemoryEmpty, Dropped),
            Self::MemoryLastFrame { used: Some(_), .. } => (Rule::SratMemoryWraps, Mended),
            Self::MemoryWraps { .. } | Self::MemoryLastFrame { used: None, .. } => {
                (Rule::SratMemoryWraps, Dropped)
            }
            Self::MemoryUnaligned { .. } => (Rule::SratMemoryUnaligned, Mended),
            Self::MemoryNoRam { .. } => (Rule::SratMemoryNoRam, Dropped),
            Self::MemoryOverlap { .. } => (Rule::SratMemoryOverlap, Mended),
            Self::MemoryConflict { .. } => (Rule::SratMemoryConflict, Mended),
            Self::MemoryUncovered { .. } => (Rule::SratMemoryUncovered, Mended),
            Self::SratEmpty => (Rule::SratEmpty, Refused),
            Self::SlitWithoutLocalities => (Rule::SlitSize, Refused),
            Self::SlitShort { .. } | Self::SlitLong { .. } => (Rule::SlitSize, Mended),
            Self::SlitDomain { .. } => (Rule::SlitDomain, Mended),
            Self::SlitDiagonal { .. } => (Rule::SlitDiagonal, Mended),
            Self::SlitDistance { .. } => (Rule::SlitDistance, Mended),
            Self::CpuBroadcast { .. } => (Rule::MadtCpuApicId, Dropped),
            Self::CpuDuplicate { .. } => (Rule::MadtCpuDuplicate, Dropped),
            Self::BootCpuMissing { .. } => (Rule::MadtCpuBoot, Mended),
            Self::DomainsFull { .. } => (Rule::DomainsFull, Dropped),
            Self::CpusFull { .. } => (Rule::CpusFull, Dropped),
            Self::RangesFull { .. } => (Rule::RangesFull, Dropped),
            Self::RamRangesFull { .. } => (Rule::RangesFull, Mended),
            Self::MsctWithoutDomains { .. } | Self::MsctRange { .. } => (Rule::MsctDomains, Dropped),
            Self::Hmat(fault) => fault.verdict(),
            Self::Root(fault) => fault.verdict(),
            Self::More { rule, action, .. } => (*rule, *action),
        }
    }
}

/// A range as people read it, last address included.
struct Inclusive(PhysRange);

impl fmt::Display for Inclusive {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#x}-{:#x}", self.0.start.0, self.0.end.0.saturating_sub(1))
    }
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TableShort { length, needed } => {
                write!(out, "the table has {length} bytes and its header alone takes {needed}")
            }
            Self::TableCut { length, mapped } => {
                write!(out, "the table claims {length} bytes where {mapped} could be mapped; those are read")
            }
            Self::TableChecksum { sum } => {
                write!(out, "the table's bytes add up to {sum:#04x} and not to 0; it is used all the same")
            }
            Self::TableDuplicate => write!(out, "there is a second table of this kind; the first is used"),
            Self::TableWithoutSignature => write!(out, "the bytes do not start with a table's signature"),
            Self::EntryWithoutLength { kind, length } => {
                write!(out, "an entry of type {kind} has length {length}; the table is not read any further")
            }
            Self::EntryShort { kind, length, needed } => {
                write!(out, "an entry of type {kind} has {length} bytes in place of {needed}; it is left out")
            }
            Self::EntryLong { kind, length, needed } => {
                write!(
                    out,
                    "an entry of type {kind} has {length} bytes in place of {needed}; the rest is ignored"
                )
            }
            Self::EntryPastEnd { kind, length, left, next } => {
                write!(out, "an entry of type {kind} has {length} bytes where the table has {left} left; ")?;
                match next {
                    Some(next) => write!(out, "it is left out, and the table is read on at {next:#x}"),
                    None => write!(out, "the table is not read any further"),
                }
            }
            Self::EntryHeaderCut => write!(out, "the table ends with half an entry's header"),
            Self::EntryTypeUnknown { kind } => write!(out, "there is no entry type {kind}; it is left out"),
            Self::DeviceHandle { kind } => {
                write!(
                    out,
                    "there is no kind {kind} of device handle; the device's domain is used without it"
                )
            }
            Self::DomainWide { written, used } => {
                write!(out, "domain {written} in a revision with 8-bit domains; {used} is used")
            }
            Self::CpuInTwoDomains { apic_id, used, other } => {
                write!(out, "APIC {apic_id} is in domain {used} and in domain {other}; the first is used")
            }
            Self::CpuUnknown { apic_id, domain } => {
                write!(out, "APIC {apic_id} of domain {domain} is not among the machine's CPUs")
            }
            Self::CpuMissing { apic_id, node, neighbour: Some(neighbour) } => {
                write!(out, "APIC {apic_id} is in no domain; it goes to node {node}, beside APIC {neighbour}")
            }
            Self::CpuMissing { apic_id, node, neighbour: None } => {
                write!(out, "APIC {apic_id} is in no domain, nor is any other; it goes to node {node}")
            }
            Self::MemoryEmpty { base, domain } => {
                write!(out, "the range at {base:#x} of domain {domain} has no byte")
            }
            Self::MemoryWraps { base, length, domain } => {
                write!(out, "{length:#x} bytes at {base:#x} of domain {domain} go past the last address")
            }
            Self::MemoryLastFrame { base, domain, used } => {
                write!(
                    out,
                    "the range at {base:#x} of domain {domain} has the last frame there is, whose end is no address; "
                )?;
                match used {
                    Some(used) => write!(out, "{} is used", Inclusive(used)),
                    None => write!(out, "it is left out"),
                }
            }
            Self::MemoryUnaligned { base, length, used } => {
                write!(
                    out,
                    "{length:#x} bytes at {base:#x} are not whole frames; {} is used",
                    Inclusive(used)
                )
            }
            Self::MemoryNoRam { range, domain } => {
                write!(out, "there is no RAM in {} of domain {domain}", Inclusive(range))
            }
            Self::MemoryOverlap { range, domain } => {
                write!(out, "{} is in domain {domain} twice; once is enough", Inclusive(range))
            }
            Self::MemoryConflict { range, domain, other } => {
                write!(
                    out,
                    "{} is in domain {domain} and in domain {other}; the first has it",
                    Inclusive(range)
                )
            }
            Self::MemoryUncovered { range, ram, node } => {
                let kib = ram.div_ceil(1024);
                write!(out, "{kib} KiB of RAM in {} are in no domain; node {node} has them", Inclusive(range))
            }
            Self::SratEmpty => {
                write!(out, "no entry of the table is of use; the machine is taken as one node")
            }
            Self::SlitWithoutLocalities => write!(out, "the table has no locality"),
            Self::SlitShort { localities, have } => {
                write!(out, "{have} distances for {localities} localities; those missing are 10 and 20")
            }
            Self::SlitLong { localities, have } => {
                write!(out, "{have} distances for {localities} localities; the rest is ignored")
            }
            Self::SlitDomain { domain, localities } => {
                write!(
                    out,
                    "domain {domain} is not among {localities} localities; its distances are 10 and 20"
                )
            }
            Self::SlitDiagonal { domain, distance } => {
                write!(out, "domain {domain} is {distance} from itself; 10 is used")
            }
            Self::SlitDistance { from, to, distance, count: 1 } => {
                write!(out, "{distance} from domain {from} to domain {to} means nothing; 20 is used")
            }
            Self::SlitDistance { from, to, distance, count } => {
                write!(
                    out,
                    "{count} distances from domain {from} mean nothing, as {distance} to {to}; 20 is used"
                )
            }
            Self::CpuBroadcast { apic_id } => {
                write!(out, "APIC id {:#x} means all CPUs and names none", apic_id.0)
            }
            Self::CpuDuplicate { apic_id } => write!(out, "APIC {apic_id} is there twice; the first is used"),
            Self::BootCpuMissing { apic_id } => {
                write!(out, "APIC {apic_id}, which runs this, is not among the enabled CPUs; it is added")
            }
            Self::DomainsFull { domain, limit } => {
                write!(
                    out,
                    "domain {domain} is not among the lowest {limit}, which is as many as there is room for"
                )
            }
            Self::CpusFull { apic_id, limit } => {
                write!(out, "there is room for {limit} CPUs; APIC {apic_id} is left out")
            }
            Self::RangesFull { range, limit } => {
                write!(out, "there is room for {limit} memory ranges; {} is left out", Inclusive(range))
            }
            Self::RamRangesFull { limit } => {
                write!(out, "there is room for {limit} memory ranges; the last takes in all further RAM")
            }
            Self::MsctWithoutDomains { offset, length } => {
                write!(out, "the domains' limits are to be at {offset:#x} of a table of {length} bytes")
            }
            Self::MsctRange { first, last } => {
                write!(out, "the domains from {first} to {last} are none; the entry is left out")
            }
            Self::Hmat(fault) => fault.fmt(out),
            Self::Root(fault) => fault.fmt(out),
            Self::More { count, .. } => write!(out, "and {count} more of this rule"),
        }
    }
}
