//! HMAT: how fast each initiator reaches each memory, and the caches in front of memory (ACPI 6.5 §5.2.28).
use core::iter;

use units::ProximityDomain;
use zerocopy::FromBytes;
use zerocopy::little_endian::{U16, U32};

use crate::entry::{Entries, Entry};
use crate::wire::{
    HmatHeader, HmatLatencyAndBandwidth, HmatProximityDomainAttributes, HmatSideCache, hmat_structure_type,
};
use crate::{Findings, HmatFault, Signature, What};

/// An HMAT that can be read; made by [`find_hmat`](crate::find_hmat).
#[derive(Clone, Copy, Debug)]
pub struct Hmat<'a> {
    bytes: &'a [u8],
    revision: u8,
}

/// One structure of an HMAT.
#[derive(Clone, Copy, Debug)]
pub enum HmatEntry<'a> {
    /// Type 0.
    Attachment(Attachment),
    /// Type 1.
    Matrix(Matrix<'a>),
    /// Type 2.
    SideCache(SideCache<'a>),
}

/// Which initiator a domain's memory is attached to (§5.2.28.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// The memory; `None` where a table of revision 1 does not say.
    pub memory: Option<ProximityDomain>,
    /// The initiator; `None` where there is none.
    pub initiator: Option<ProximityDomain>,
    /// Base and length in bytes of the range that a table of revision 1 speaks of, as firmware wrote them.
    pub range: Option<(u64, u64)>,
    /// Bytes from the table's start to the structure.
    pub offset: u32,
}

/// What a matrix is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantity {
    /// How long an access takes, in picoseconds.
    Latency,
    /// How much goes through, in MB/s.
    Bandwidth,
}

/// Which way the data goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Reads and writes alike.
    Both,
    /// Reads.
    Read,
    /// Writes.
    Write,
}

/// What a matrix says of an initiator and a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatrixValue {
    /// Nothing: 0 is written, or the table ends before.
    Unspecified,
    /// There is no way: 0xffff is written.
    Unreachable,
    /// Picoseconds or MB/s. The product of 16 and 64 bits, so nothing is lost.
    Known(u128),
}

/// Latencies or bandwidths from initiators to targets (§5.2.28.4).
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// What the values are.
    pub quantity: Quantity,
    /// Which way the data goes.
    pub direction: Direction,
    /// 0 for memory itself, 1 to 3 for its side caches; in revision 1, 1 is the last level of memory and 2 to 4 are the
    /// caches.
    pub level: u8,
    /// The transfer size from which on the values hold, as the exponent that firmware wrote; `None` where they hold for all.
    pub minimum_transfer_size: Option<u8>,
    /// Whether the values hold for transfers that are not sequential.
    pub non_sequential: bool,
    /// What a written value of 1 means, in picoseconds or MB/s.
    pub unit: u64,
    initiators: &'a [U32],
    targets: &'a [U32],
    values: &'a [U16],
    /// Bytes from the table's start to the structure.
    pub offset: u32,
}

/// A cache in front of a domain's memory (§5.2.28.5).
#[derive(Clone, Copy, Debug)]
pub struct SideCache<'a> {
    /// The memory.
    pub memory: ProximityDomain,
    /// Bytes in the cache.
    pub size: u64,
    /// How many levels of caches the memory has.
    pub levels: u8,
    /// Which of them this is, from 1.
    pub level: u8,
    /// 0 none, 1 direct mapped, 2 complex indexing.
    pub associativity: u8,
    /// 0 none, 1 write-back, 2 write-through.
    pub write_policy: u8,
    /// Bytes in a line.
    pub line_size: u16,
    handles: &'a [U16],
    /// Bytes from the table's start to the structure.
    pub offset: u32,
}

impl<'a> Hmat<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = HmatHeader::ref_from_prefix(bytes).ok()?;
        Some(Self { bytes, revision: header.header.revision })
    }

    /// The table's revision: 1 is ACPI 6.2's, 2 that of all later ones.
    #[must_use]
    pub const fn revision(&self) -> u8 {
        self.revision
    }

    /// The structures in the table's order, each with what it got wrong reported as it is read.
    pub fn entries(&self, findings: &mut dyn Findings) -> impl Iterator<Item = HmatEntry<'a>> {
        let mut reader = self.reader();
        iter::from_fn(move || reader.next(findings))
    }

    /// The structures for a caller that has findings of its own between them.
    #[must_use]
    pub fn reader(&self) -> HmatReader<'a> {
        let entries = Entries::wide(Signature::HMAT, self.bytes, size_of::<HmatHeader>(), fixed_size);
        HmatReader { entries, first_revision: self.revision < 2 }
    }
}

/// Bytes in a structure of this type, by the specification. Matrices and side caches have lists.
const fn fixed_size(kind: u16) -> Option<usize> {
    match kind {
        hmat_structure_type::PROXIMITY_DOMAIN_ATTRIBUTES => Some(size_of::<HmatProximityDomainAttributes>()),
        _ => None,
    }
}

/// Reads an HMAT's structures one by one; made by [`Hmat::reader`].
#[derive(Clone, Debug)]
pub struct HmatReader<'a> {
    entries: Entries<'a>,
    first_revision: bool,
}

impl<'a> HmatReader<'a> {
    /// The next structure that can be read; `None` at the table's end.
    pub fn next(&mut self, findings: &mut dyn Findings) -> Option<HmatEntry<'a>> {
        while let Some(entry) = self.entries.next(findings) {
            let value = match entry.kind {
                hmat_structure_type::PROXIMITY_DOMAIN_ATTRIBUTES => self.attachment(entry, findings),
                hmat_structure_type::LATENCY_AND_BANDWIDTH => self.matrix(entry, findings),
                hmat_structure_type::SIDE_CACHE => side_cache(entry, findings),
                kind => {
                    entry.report(What::EntryTypeUnknown { kind }, findings);
                    None
                }
            };
            if value.is_some() {
                return value;
            }
        }
        None
    }

    fn attachment(&self, entry: Entry<'a>, findings: &mut dyn Findings) -> Option<HmatEntry<'a>> {
        let attributes: &HmatProximityDomainAttributes = entry.read(findings)?;
        let has = |flag| attributes.flags.get() & flag != 0;
        let memory_valid = !self.first_revision || has(HmatProximityDomainAttributes::MEMORY_VALID);
        let initiator_valid = has(HmatProximityDomainAttributes::INITIATOR_VALID);
        let domain = |domain: U32| ProximityDomain(domain.get());
        Some(HmatEntry::Attachment(Attachment {
            memory: memory_valid.then(|| domain(attributes.memory_proximity_domain)),
            initiator: initiator_valid.then(|| domain(attributes.initiator_proximity_domain)),
            range: self
                .first_revision
                .then(|| (attributes.base_address.get(), attributes.range_length.get())),
            offset: entry.offset,
        }))
    }

    fn matrix(&self, entry: Entry<'a>, findings: &mut dyn Findings) -> Option<HmatEntry<'a>> {
        let (head, tail) = entry.read_start::<HmatLatencyAndBandwidth>(findings)?;
        let mut fault = |fault| entry.report(What::Hmat(fault), findings);
        let Some((quantity, direction)) = kind_of(head.data_type) else {
            fault(HmatFault::DataType { data_type: head.data_type });
            return None;
        };
        let level = head.flags & HmatLatencyAndBandwidth::LEVEL;
        // Revision 1 had one level more.
        if level > if self.first_revision { 4 } else { 3 } {
            fault(HmatFault::Level { level });
            return None;
        }
        if head.entry_base_unit.get() == 0 {
            fault(HmatFault::NoUnit);
            return None;
        }
        let (initiators, targets) = (head.number_of_initiators.get(), head.number_of_targets.get());
        let Some((initiators, targets, values)) = lists(tail, initiators, targets) else {
            fault(HmatFault::ListsPastEnd { initiators, targets, have: tail.len() as u32 });
            return None;
        };
        // Both lists lie in a table of at most 2³² bytes, so their product has fewer than 64 bits.
        let needed = initiators.len() as u64 * targets.len() as u64;
        let have = values.len() / size_of::<U16>();
        let kept = usize::try_from(needed).map_or(have, |needed| needed.min(have));
        if (have as u64) < needed {
            fault(HmatFault::MatrixShort { needed, have: have as u32 });
        }
        let (values, rest) = <[U16]>::ref_from_prefix_with_elems(values, kept).ok()?;
        if kept as u64 == needed {
            entry.end(rest, findings);
        }
        let has = |flag| head.flags & flag != 0;
        Some(HmatEntry::Matrix(Matrix {
            quantity,
            direction,
            level,
            minimum_transfer_size: has(HmatLatencyAndBandwidth::MINIMUM_TRANSFER)
                .then_some(head.minimum_transfer_size),
            non_sequential: has(HmatLatencyAndBandwidth::NON_SEQUENTIAL),
            unit: head.entry_base_unit.get(),
            initiators,
            targets,
            values,
            offset: entry.offset,
        }))
    }
}

/// What a data type means; `None` for one that there is not.
const fn kind_of(data_type: u8) -> Option<(Quantity, Direction)> {
    let quantity = if data_type < 3 { Quantity::Latency } else { Quantity::Bandwidth };
    match data_type {
        0 | 3 => Some((quantity, Direction::Both)),
        1 | 4 => Some((quantity, Direction::Read)),
        2 | 5 => Some((quantity, Direction::Write)),
        _ => None,
    }
}

/// The two lists and the bytes behind them; `None` where they are longer than what is there.
fn lists(bytes: &[u8], initiators: u32, targets: u32) -> Option<(&[U32], &[U32], &[u8])> {
    let (initiators, rest) = <[U32]>::ref_from_prefix_with_elems(bytes, initiators as usize).ok()?;
    let (targets, rest) = <[U32]>::ref_from_prefix_with_elems(rest, targets as usize).ok()?;
    Some((initiators, targets, rest))
}

fn side_cache<'a>(entry: Entry<'a>, findings: &mut dyn Findings) -> Option<HmatEntry<'a>> {
    let (head, tail) = entry.read_start::<HmatSideCache>(findings)?;
    let handles = head.number_of_smbios_handles.get();
    let have = tail.len() / size_of::<U16>();
    if have < usize::from(handles) {
        let fault = HmatFault::HandlesShort { handles, have: have as u32 };
        entry.report(What::Hmat(fault), findings);
    }
    let kept = usize::from(handles).min(have);
    let (kept, rest) = <[U16]>::ref_from_prefix_with_elems(tail, kept).ok()?;
    if kept.len() == usize::from(handles) {
        entry.end(rest, findings);
    }
    let attributes = head.attributes.get();
    let nibble = |shift: u32| (attributes >> shift & 0xf) as u8;
    Some(HmatEntry::SideCache(SideCache {
        memory: ProximityDomain(head.memory_proximity_domain.get()),
        size: head.size.get(),
        levels: nibble(0),
        level: nibble(4),
        associativity: nibble(8),
        write_policy: nibble(12),
        line_size: (attributes >> 16) as u16,
        handles: kept,
        offset: entry.offset,
    }))
}

impl Matrix<'_> {
    /// The initiators' domains, one for each row.
    pub fn initiators(&self) -> impl ExactSizeIterator<Item = ProximityDomain> {
        self.initiators.iter().map(|domain| ProximityDomain(domain.get()))
    }

    /// The targets' domains, one for each column.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = ProximityDomain> {
        self.targets.iter().map(|domain| ProximityDomain(domain.get()))
    }

    /// The values that the table has, by the initiator of their row; each with its target.
    pub fn rows(
        &self,
    ) -> impl Iterator<Item = (ProximityDomain, impl Iterator<Item = (ProximityDomain, MatrixValue)>)> {
        let columns = self.targets.len().max(1);
        self.initiators().zip(self.values.chunks(columns)).map(|(from, row)| {
            (from, self.targets().zip(row).map(|(to, written)| (to, self.meaning(written.get()))))
        })
    }

    /// What is written in this row and column, counted from 0.
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> MatrixValue {
        let index = row.checked_mul(self.targets.len()).and_then(|start| start.checked_add(column));
        let written = index.filter(|_| column < self.targets.len()).and_then(|index| self.values.get(index));
        written.map_or(MatrixValue::Unspecified, |written| self.meaning(written.get()))
    }

    fn meaning(&self, written: u16) -> MatrixValue {
        match written {
            0 => MatrixValue::Unspecified,
            u16::MAX => MatrixValue::Unreachable,
            _ => MatrixValue::Known(u128::from(written) * u128::from(self.unit)),
        }
    }
}

impl SideCache<'_> {
    /// The cache's components in SMBIOS.
    pub fn smbios_handles(&self) -> impl ExactSizeIterator<Item = u16> {
        self.handles.iter().map(|handle| handle.get())
    }
}
