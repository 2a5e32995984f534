//! The HMAT's memory side caches (ACPI 6.5 §5.2.28.5).
use units::ProximityDomain;
use zerocopy::FromBytes;
use zerocopy::little_endian::U16;

use crate::entry::Entry;
use crate::wire::HmatSideCache;
use crate::{Findings, HmatFault};

/// A cache in front of a domain's memory (§5.2.28.5).
#[derive(Clone, Copy, Debug)]
pub struct SideCache<'a> {
    /// The memory's domain.
    pub memory: ProximityDomain,
    /// Bytes in the cache.
    pub size: u64,
    /// The number of cache levels that the memory has.
    pub levels: u8,
    /// The level of this cache, counted from 1.
    pub level: u8,
    /// 0 for none, 1 for direct mapped, 2 for complex indexing.
    pub associativity: u8,
    /// 0 for none, 1 for write-back, 2 for write-through.
    pub write_policy: u8,
    /// Bytes in a cache line.
    pub line_size: u16,
    handles: &'a [U16],
    /// Bytes from the table's start to the structure.
    pub offset: u32,
}

impl<'a> SideCache<'a> {
    /// Reads a side cache, or returns `None` and reports why it cannot be read.
    pub(super) fn read(entry: Entry<'a>, findings: &mut dyn Findings) -> Option<Self> {
        let (head, tail) = entry.read_start::<HmatSideCache>(findings)?;
        let handles = head.number_of_smbios_handles.get();
        let have = tail.len() / size_of::<U16>();
        if have < usize::from(handles) {
            let fault = HmatFault::HandlesShort { handles, have: have as u32 };
            entry.report(fault, findings);
        }
        let kept = usize::from(handles).min(have);
        let (kept, rest) = <[U16]>::ref_from_prefix_with_elems(tail, kept).ok()?;
        if kept.len() == usize::from(handles) {
            entry.end(rest, findings);
        }
        let attributes = head.attributes.get();
        let nibble = |shift: u32| (attributes >> shift & 0xf) as u8;
        Some(Self {
            memory: ProximityDomain(head.memory_proximity_domain.get()),
            size: head.size.get(),
            levels: nibble(0),
            level: nibble(4),
            associativity: nibble(8),
            write_policy: nibble(12),
            line_size: (attributes >> 16) as u16,
            handles: kept,
            offset: entry.offset,
        })
    }

    /// Returns the SMBIOS handles of the cache's components.
    pub fn smbios_handles(&self) -> impl ExactSizeIterator<Item = u16> {
        self.handles.iter().map(|handle| handle.get())
    }
}
