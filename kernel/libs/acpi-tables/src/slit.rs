//! SLIT: how far proximity domains are from each other (ACPI 6.5 §5.2.17).
use units::ProximityDomain;
use zerocopy::FromBytes;

use crate::wire::SlitHeader;
use crate::{Finding, Findings, Signature, What};

/// Where in a SLIT the number of localities lies.
const LOCALITIES_OFFSET: u32 = 36;

/// A SLIT that can be read; made by [`find_slit`](crate::find_slit).
#[derive(Clone, Copy, Debug)]
pub struct Slit<'a> {
    localities: u64,
    matrix: &'a [u8],
}

impl<'a> Slit<'a> {
    /// Reads as much of the matrix as there is, whatever n is; a square too large for 64 bits is only a longer one.
    pub(crate) fn new(bytes: &'a [u8], findings: &mut dyn Findings) -> Option<Self> {
        let (header, matrix) = SlitHeader::ref_from_prefix(bytes).ok()?;
        let localities = header.number_of_system_localities.get();
        let have = matrix.len() as u64;
        let wrong = match localities.checked_mul(localities) {
            Some(0) => Some(What::SlitWithoutLocalities),
            Some(needed) if needed == have => None,
            Some(needed) if needed < have => Some(What::SlitLong { localities, have }),
            _ => Some(What::SlitShort { localities, have }),
        };
        if let Some(what) = wrong {
            findings.report(Finding::new(Signature::SLIT, LOCALITIES_OFFSET, what));
        }
        (localities != 0).then_some(Self { localities, matrix })
    }

    /// n, the number of rows that the table says it has. A locality's index is its proximity domain.
    #[must_use]
    pub const fn localities(&self) -> u64 {
        self.localities
    }

    /// The distance as it is written, 10 being that of a domain to itself; `None` where the table has none.
    #[must_use]
    pub fn distance(&self, from: ProximityDomain, to: ProximityDomain) -> Option<u8> {
        self.matrix.get(self.index(from, to)?).copied()
    }

    /// Bytes from the table's start to the distance; 0 where the table has none.
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
