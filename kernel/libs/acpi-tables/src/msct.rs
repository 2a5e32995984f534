//! MSCT: how many domains, clocks, CPUs and addresses a machine can ever have (ACPI 6.5 §5.2.19).
use core::iter;

use units::ProximityDomain;
use zerocopy::FromBytes;

use crate::entry::Entries;
use crate::wire::{MsctHeader, MsctProximityDomains};
use crate::{Finding, Findings, Signature, What};

/// Where in an MSCT the offset of its entries lies.
const OFFSET_OFFSET: u32 = 36;

/// An MSCT that can be read; made by [`find_msct`](crate::find_msct).
#[derive(Clone, Copy, Debug)]
pub struct Msct<'a> {
    bytes: &'a [u8],
    header: &'a MsctHeader,
}

/// The limits of some proximity domains (§5.2.19.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MsctDomains {
    /// The first domain.
    pub first: ProximityDomain,
    /// The last domain.
    pub last: ProximityDomain,
    /// The most CPUs that each can have.
    pub max_cpus: u32,
    /// The most bytes of memory that each can have.
    pub max_memory: u64,
    /// Bytes from the table's start to the entry.
    pub offset: u32,
}

impl<'a> Msct<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = MsctHeader::ref_from_prefix(bytes).ok()?;
        Some(Self { bytes, header })
    }

    /// How many proximity domains there can be.
    #[must_use]
    pub fn max_domains(&self) -> u64 {
        u64::from(self.header.maximum_domains.get()) + 1
    }

    /// How many clock domains there can be.
    #[must_use]
    pub fn max_clock_domains(&self) -> u64 {
        u64::from(self.header.maximum_clock_domains.get()) + 1
    }

    /// The highest physical address that memory can have.
    #[must_use]
    pub fn max_address(&self) -> u64 {
        self.header.maximum_address.get()
    }

    /// The limits of the domains in the table's order, each with what it got wrong reported as it is read.
    pub fn domains(&self, findings: &mut dyn Findings) -> impl Iterator<Item = MsctDomains> {
        let mut entries = self.entries(findings);
        iter::from_fn(move || {
            while let Some(entry) = entries.next(findings) {
                let Some(limits) = entry.read::<MsctProximityDomains>(findings) else { continue };
                let domain = |domain: zerocopy::little_endian::U32| ProximityDomain(domain.get());
                let (first, last) = (domain(limits.first_domain), domain(limits.last_domain));
                if first > last {
                    entry.report(What::MsctRange { first, last }, findings);
                    continue;
                }
                return Some(MsctDomains {
                    first,
                    last,
                    max_cpus: limits.maximum_processors.get(),
                    max_memory: limits.maximum_memory.get(),
                    offset: entry.offset,
                });
            }
            None
        })
    }

    /// The entries where the table says they are; none where that is not behind its header.
    fn entries(&self, findings: &mut dyn Findings) -> Entries<'a> {
        let offset = self.header.offset_to_domains.get();
        let place = offset as usize;
        let within = (size_of::<MsctHeader>()..=self.bytes.len()).contains(&place);
        if !within {
            let what = What::MsctWithoutDomains { offset, length: self.bytes.len() as u32 };
            findings.report(Finding::new(Signature::MSCT, OFFSET_OFFSET, what));
        }
        let start = if within { place } else { self.bytes.len() };
        Entries::new(Signature::MSCT, self.bytes, start, fixed_size)
    }
}

/// Bytes in an entry of this revision, which is where other tables have a type.
const fn fixed_size(revision: u16) -> Option<usize> {
    if revision == 1 { Some(size_of::<MsctProximityDomains>()) } else { None }
}
