//! MSCT: the highest numbers of domains, clocks, CPUs and addresses of a machine (ACPI 6.5 §5.2.19).
use core::iter;

use units::ProximityDomain;
use zerocopy::FromBytes;

use crate::entry::Entries;
use crate::wire::{MsctHeader, MsctProximityDomains};
use crate::{Finding, Findings, MsctFault, Signature};

/// The offset of the field that gives the offset of the entries.
const OFFSET_OFFSET: u32 = 36;

/// A readable MSCT, returned by [`find_msct`](crate::find_msct).
#[derive(Clone, Copy, Debug)]
pub struct Msct<'a> {
    bytes: &'a [u8],
    header: &'a MsctHeader,
}

/// The limits of a range of proximity domains (§5.2.19.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MsctDomains {
    /// The first domain.
    pub first: ProximityDomain,
    /// The last domain.
    pub last: ProximityDomain,
    /// The highest number of CPUs in each domain.
    pub max_cpus: u32,
    /// The highest number of bytes of memory in each domain.
    pub max_memory: u64,
    /// Bytes from the table's start to the entry.
    pub offset: u32,
}

impl<'a> Msct<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = MsctHeader::ref_from_prefix(bytes).ok()?;
        Some(Self { bytes, header })
    }

    /// Returns the highest number of proximity domains.
    #[must_use]
    pub fn max_domains(&self) -> u64 {
        u64::from(self.header.maximum_domains.get()) + 1
    }

    /// Returns the highest number of clock domains.
    #[must_use]
    pub fn max_clock_domains(&self) -> u64 {
        u64::from(self.header.maximum_clock_domains.get()) + 1
    }

    /// Returns the highest physical address that memory can have.
    #[must_use]
    pub fn max_address(&self) -> u64 {
        self.header.maximum_address.get()
    }

    /// Iterates over the limits of the domains in the table's order, and reports faults on the way.
    pub fn domains(&self, findings: &mut dyn Findings) -> impl Iterator<Item = MsctDomains> {
        let mut entries = self.entries(findings);
        iter::from_fn(move || {
            while let Some(entry) = entries.next(findings) {
                let Some(limits) = entry.read::<MsctProximityDomains>(findings) else { continue };
                let domain = |domain: zerocopy::little_endian::U32| ProximityDomain(domain.get());
                let (first, last) = (domain(limits.first_domain), domain(limits.last_domain));
                if first > last {
                    entry.report(MsctFault::Range { first, last }, findings);
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

    /// Returns the entries, or none if the table's offset of them lies in the header or past the end.
    fn entries(&self, findings: &mut dyn Findings) -> Entries<'a> {
        let offset = self.header.offset_to_domains.get();
        let place = offset as usize;
        let within = (size_of::<MsctHeader>()..=self.bytes.len()).contains(&place);
        if !within {
            let fault = MsctFault::WithoutDomains { offset, length: self.bytes.len() as u32 };
            findings.report(Finding::new(Signature::MSCT, OFFSET_OFFSET, fault));
        }
        let start = if within { place } else { self.bytes.len() };
        Entries::new(Signature::MSCT, self.bytes, start, fixed_size)
    }
}

/// Returns the specified size of an entry of this revision. The revision takes the place of an entry's type.
const fn fixed_size(revision: u16) -> Option<usize> {
    if revision == 1 { Some(size_of::<MsctProximityDomains>()) } else { None }
}
