//! A part of a BAR's memory, as a driver maps it.
use core::ops::Range;

use crate::{Bar, Function};

/// Bytes of a page of the CPU.
const PAGE: u64 = 4096;
/// Bytes of an entry of an MSI-X table (PCI 3.0 §6.8.2).
const TABLE_ENTRY: u64 = 16;

/// A part of a BAR's memory. All addresses are physical.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BarPart {
    /// The bytes, at least one.
    pub bytes: Range<u64>,
    /// The pages with bytes of the part: multiples of 4096.
    pub pages: Range<u64>,
    /// Those of the pages that hold the MSI-X table; empty if there are none. Drivers do not write there.
    pub table: Range<u64>,
}

impl BarPart {
    /// Returns the part of a function's BAR, or `None` if the BAR is not in memory, has no address, or has no such bytes.
    #[must_use]
    pub fn of(function: &Function, bar: usize, offset: u64, size: u64) -> Option<Self> {
        let found = function.bars.get(bar).copied().flatten().filter(Bar::is_memory)?;
        let end = offset.checked_add(size).filter(|&end| end <= found.size && size > 0)?;
        // The last page must end within the numbers.
        let last = found.address.checked_add(found.size)?.checked_next_multiple_of(PAGE)?;
        if found.address == 0 || last > 1 << 52 {
            return None;
        }
        let bytes = found.address + offset..found.address + end;
        let pages = pages_of(&bytes);
        let table =
            function.msi_x.filter(|msi_x| usize::from(msi_x.table.bar) == bar).map_or(0..0, |msi_x| {
                let start = found.address + u64::from(msi_x.table.offset);
                pages_of(&(start..start + u64::from(msi_x.vectors) * TABLE_ENTRY))
            });
        let table = table.start.max(pages.start)..table.end.min(pages.end);
        Some(Self { bytes, table: if table.is_empty() { pages.end..pages.end } else { table }, pages })
    }

    /// Returns the pages in ascending order in three runs, some of which may be empty: before the MSI-X table, with it, behind it.
    #[must_use]
    pub fn runs(&self) -> [Range<u64>; 3] {
        [self.pages.start..self.table.start, self.table.clone(), self.table.end..self.pages.end]
    }
}

fn pages_of(bytes: &Range<u64>) -> Range<u64> {
    bytes.start - bytes.start % PAGE..bytes.end.next_multiple_of(PAGE)
}
