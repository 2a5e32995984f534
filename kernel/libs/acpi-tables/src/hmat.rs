//! HMAT: latency and bandwidth from initiators to memory, and the caches in front of memory (ACPI 6.5 §5.2.28).
use core::iter;

use units::ProximityDomain;
use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use crate::entry::{Entries, Entry};
use crate::wire::{HmatHeader, HmatProximityDomainAttributes, hmat_structure_type};
use crate::{EntryFault, Findings, Signature};

mod matrix;
mod side_cache;

pub use matrix::{Direction, Matrix, MatrixValue, Quantity};
pub use side_cache::SideCache;

/// A readable HMAT, returned by [`find_hmat`](crate::find_hmat).
#[derive(Clone, Copy, Debug)]
pub struct Hmat<'a> {
    bytes: &'a [u8],
    revision: u8,
}

/// One structure of an HMAT.
#[derive(Clone, Copy, Debug)]
pub enum HmatEntry<'a> {
    /// Type 0: the initiator that memory is attached to.
    Attachment(Attachment),
    /// Type 1: latencies or bandwidths.
    Matrix(Matrix<'a>),
    /// Type 2: a cache in front of memory.
    SideCache(SideCache<'a>),
}

/// The initiator that a domain's memory is attached to (§5.2.28.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// The memory's domain, or `None` if a table of revision 1 does not give it.
    pub memory: Option<ProximityDomain>,
    /// The initiator's domain, or `None` if there is none.
    pub initiator: Option<ProximityDomain>,
    /// The base and the length in bytes of the memory range, as firmware wrote them. Only revision 1 has a range.
    pub range: Option<(u64, u64)>,
    /// Bytes from the table's start to the structure.
    pub offset: u32,
}

impl<'a> Hmat<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = HmatHeader::ref_from_prefix(bytes).ok()?;
        Some(Self { bytes, revision: header.header.revision })
    }

    /// Returns the table's revision: 1 for ACPI 6.2, 2 for all later versions.
    #[must_use]
    pub const fn revision(&self) -> u8 {
        self.revision
    }

    /// Iterates over the structures in the table's order, and reports faults on the way.
    pub fn entries(&self, findings: &mut dyn Findings) -> impl Iterator<Item = HmatEntry<'a>> {
        let mut reader = self.reader();
        iter::from_fn(move || reader.next(findings))
    }

    /// Returns a reader of the structures, for a caller that reports findings of its own between them.
    #[must_use]
    pub fn reader(&self) -> HmatReader<'a> {
        let entries = Entries::wide(Signature::HMAT, self.bytes, size_of::<HmatHeader>(), fixed_size);
        HmatReader { entries, first_revision: self.revision < 2 }
    }
}

/// Returns the specified size of a structure. Matrices and side caches contain lists, so their sizes vary.
const fn fixed_size(kind: u16) -> Option<usize> {
    match kind {
        hmat_structure_type::PROXIMITY_DOMAIN_ATTRIBUTES => Some(size_of::<HmatProximityDomainAttributes>()),
        _ => None,
    }
}

/// A reader of an HMAT's structures, returned by [`Hmat::reader`].
#[derive(Clone, Debug)]
pub struct HmatReader<'a> {
    entries: Entries<'a>,
    first_revision: bool,
}

impl<'a> HmatReader<'a> {
    /// Returns the next readable structure, or `None` at the table's end.
    pub fn next(&mut self, findings: &mut dyn Findings) -> Option<HmatEntry<'a>> {
        while let Some(entry) = self.entries.next(findings) {
            let value = match entry.kind {
                hmat_structure_type::PROXIMITY_DOMAIN_ATTRIBUTES => self.attachment(entry, findings),
                hmat_structure_type::LATENCY_AND_BANDWIDTH => {
                    Matrix::read(entry, self.first_revision, findings).map(HmatEntry::Matrix)
                }
                hmat_structure_type::SIDE_CACHE => SideCache::read(entry, findings).map(HmatEntry::SideCache),
                kind => {
                    entry.report(EntryFault::TypeUnknown { kind }, findings);
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
}
