//! SLIT: the distances between proximity domains (ACPI 6.5 §5.2.17).
use units::ProximityDomain;
use zerocopy::FromBytes;

use crate::wire::SlitHeader;
use crate::{Finding, Findings, Signature, SlitFault};

/// The offset of the number of localities.
const LOCALITIES_OFFSET: u32 = 36;

/// A readable SLIT, returned by [`find_slit`](crate::find_slit).
#[derive(Clone, Copy, Debug)]
pub struct Slit<'a> {
    localities: u64,
    matrix: &'a [u8],
}

impl<'a> Slit<'a> {
    /// Uses the part of the matrix that exists. The number of localities may be so large that its square overflows.
    pub(crate) fn new(bytes: &'a [u8], findings: &mut dyn Findings) -> Option<Self> {
        let (header, matrix) = SlitHeader::ref_from_prefix(bytes).ok()?;
        let localities = header.number_of_system_localities.get();
        let have = matrix.len() as u64;
        let fault = match localities.checked_mul(localities) {
            Some(0) => Some(SlitFault::WithoutLocalities),
            Some(needed) if needed == have => None,
            Some(needed) if needed < have => Some(SlitFault::Long { localities, have }),
            _ => Some(SlitFault::Short { localities, have }),
        };
        if let Some(fault) = fault {
            findings.report(Finding::new(Signature::SLIT, LOCALITIES_OFFSET, fault));
        }
        (localities != 0).then_some(Self { localities, matrix })
    }

    /// Returns the number of rows that the table claims to have. A locality's index is its proximity domain.
    #[must_use]
    pub const fn localities(&self) -> u64 {
        self.localities
    }

    /// Returns the distance in the table, or `None` if the table has none. 10 is the distance of a domain to itself.
    #[must_use]
    pub fn distance(&self, from: ProximityDomain, to: ProximityDomain) -> Option<u8> {
        self.matrix.get(self.index(from, to)?).copied()
    }

    /// Returns the bytes from the table's start to the distance, or 0 if the table has none.
    #[must_use]
    pub fn offset(&self, from: ProximityDomain, to: ProximityDomain) -> u32 {
        let place = |index: usize| u32::try_from(index.checked_add(size_of::<SlitHeader>())?).ok();
        self.index(from, to).filter(|&index| index < self.matrix.len()).and_then(place).unwrap_or(0)
    }

    fn index(&self, from: ProximityDomain, to: ProximityDomain) -> Option<usize> {
        let (from, to) = (u64::from(from.0), u64::from(to.0));
        if from >= self.localities || to >= self.localities {
            return None;
        }
        usize::try_from(from.checked_mul(self.localities)?.checked_add(to)?).ok()
    }
}
