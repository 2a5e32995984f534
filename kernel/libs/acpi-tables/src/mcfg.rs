//! MCFG: where the configuration space of PCI is mapped to memory (PCI Firmware 3.3 §4.1.2).
use units::{PhysAddr, PhysRange};
use zerocopy::FromBytes;

use crate::wire::{McfgEntry, McfgHeader};
use crate::{Finding, Findings, McfgFault, Signature};

/// Bytes of configuration space of a bus: 4 KiB for each of 256 functions.
const BUS_SIZE: u64 = 1 << 20;

/// A readable MCFG, returned by [`find_mcfg`](crate::find_mcfg).
#[derive(Clone, Copy, Debug)]
pub struct Mcfg<'a> {
    entries: &'a [McfgEntry],
    /// Bytes of the table, and those after its last whole entry.
    length: usize,
    rest: usize,
}

/// Buses of a segment whose configuration space is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct McfgRange {
    /// The segment.
    pub segment: u16,
    /// The first bus.
    pub first_bus: u8,
    /// The last bus, which is not below the first.
    pub last_bus: u8,
    /// The configuration space of these buses: 1 MiB for each, aligned to that.
    pub memory: PhysRange,
}

impl<'a> Mcfg<'a> {
    /// How many entries are read. Large servers have some dozens.
    pub const MAX_ENTRIES: usize = 256;

    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let entries = bytes.get(size_of::<McfgHeader>()..)?;
        let count = entries.len() / size_of::<McfgEntry>();
        let (entries, rest) = <[McfgEntry]>::ref_from_prefix_with_elems(entries, count).ok()?;
        Some(Self { entries, length: bytes.len(), rest: rest.len() })
    }

    /// Iterates over the ranges in the table's order, and reports faults on the way. No bus is in two of them.
    pub fn ranges(&self, findings: &mut dyn Findings) -> impl Iterator<Item = McfgRange> {
        let (all, whole) = (self.entries, self.length - self.rest);
        if self.rest > 0 {
            findings.report(finding(whole, McfgFault::Size { bytes: self.rest }));
        }
        let read = &all[..all.len().min(Self::MAX_ENTRIES)];
        if all.len() > read.len() {
            let fault = McfgFault::Full { entries: all.len(), limit: Self::MAX_ENTRIES };
            findings.report(finding(offset_of(read.len()), fault));
        }
        read.iter().enumerate().filter_map(move |(index, entry)| {
            let range = range(entry);
            let earlier = || read[..index].iter().filter_map(|entry| self::range(entry).ok());
            let fault = match range {
                Ok(range) if !earlier().any(|other| range.shares_a_bus_with(&other)) => return Some(range),
                Ok(McfgRange { segment, first_bus, last_bus, .. }) => {
                    McfgFault::Overlap { segment, first_bus, last_bus }
                }
                Err(fault) => fault,
            };
            findings.report(finding(offset_of(index), fault));
            None
        })
    }
}

impl McfgRange {
    fn shares_a_bus_with(&self, other: &Self) -> bool {
        self.segment == other.segment && self.first_bus <= other.last_bus && other.first_bus <= self.last_bus
    }
}

/// Returns the buses of an entry, whatever the other entries say.
fn range(entry: &McfgEntry) -> Result<McfgRange, McfgFault> {
    let McfgEntry { first_bus, last_bus, .. } = *entry;
    let (base, segment) = (entry.base.get(), entry.segment.get());
    if first_bus > last_bus {
        return Err(McfgFault::NoBus { segment, first_bus, last_bus });
    }
    let bus = |bus: u64| base.checked_add(bus * BUS_SIZE);
    let memory = bus(first_bus.into()).zip(bus(u64::from(last_bus) + 1));
    match memory.filter(|_| base != 0 && base.is_multiple_of(BUS_SIZE)) {
        Some((start, end)) => {
            Ok(McfgRange { segment, first_bus, last_bus, memory: PhysRange::new(start, end) })
        }
        None => Err(McfgFault::Place { segment, base: PhysAddr(base) }),
    }
}

fn offset_of(index: usize) -> usize {
    size_of::<McfgHeader>() + index * size_of::<McfgEntry>()
}

fn finding(offset: usize, fault: McfgFault) -> Finding {
    Finding::new(Signature::MCFG, u32::try_from(offset).unwrap_or(u32::MAX), fault)
}
