//! The loadable segments: their addresses, the content of their pages, and the pages' permissions.
use crate::error::{ImageError, SegmentFault};
use crate::limits::{MAX_IMAGE_BYTES, MAX_SEGMENTS, PAGE_SIZE};
use arrayvec::ArrayVec;
use core::ops::Range;
use elf::abi;
use elf::segment::ProgramHeader;

const PAGE: u64 = PAGE_SIZE as u64;

/// What a driver may do with a page. No page is both writable and executable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permissions {
    /// Read only. Includes the pages that become read-only after relocation (RELRO).
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
}

/// One loadable segment. It shares no page with another segment.
#[derive(Clone, Debug)]
struct Segment<'a> {
    /// Offsets from the image's base.
    addresses: Range<u64>,
    /// The segment's bytes in the file. The rest of the segment is zeros.
    bytes: &'a [u8],
    permissions: Permissions,
}

impl<'a> Segment<'a> {
    fn read(file: &'a [u8], header: &ProgramHeader) -> Result<Self, ImageError<'a>> {
        let address = header.p_vaddr;
        let fault = |fault| ImageError::Segment { address, fault };
        let end = address.checked_add(header.p_memsz).filter(|&end| end <= MAX_IMAGE_BYTES);
        let end = end.ok_or(fault(SegmentFault::TooLarge))?;
        if header.p_filesz > header.p_memsz {
            return Err(fault(SegmentFault::Length));
        }
        if header.p_align > PAGE || (header.p_align != 0 && !header.p_align.is_power_of_two()) {
            return Err(fault(SegmentFault::Alignment { alignment: header.p_align }));
        }
        if header.p_offset % PAGE != address % PAGE {
            return Err(fault(SegmentFault::Offset));
        }
        let permissions = match (header.p_flags & abi::PF_W != 0, header.p_flags & abi::PF_X != 0) {
            (true, true) => return Err(fault(SegmentFault::WritableCode)),
            (true, false) => Permissions::ReadWrite,
            (false, true) => Permissions::ReadExecute,
            (false, false) => Permissions::Read,
        };
        let bytes = part(file, header.p_offset, header.p_filesz)?;
        Ok(Self { addresses: address..end, bytes, permissions })
    }

    fn pages(&self) -> Range<u64> {
        self.addresses.start / PAGE..self.addresses.end.div_ceil(PAGE)
    }

    fn contains(&self, range: &Range<u64>) -> bool {
        self.addresses.start <= range.start && range.end <= self.addresses.end
    }
}

/// All loadable segments, in ascending order of addresses.
#[derive(Clone, Debug)]
pub(crate) struct Segments<'a> {
    list: ArrayVec<Segment<'a>, MAX_SEGMENTS>,
    /// The addresses that become read-only after relocation (`PT_GNU_RELRO`).
    relro: Range<u64>,
}

impl<'a> Segments<'a> {
    pub(crate) const EMPTY: Self = Self { list: ArrayVec::new_const(), relro: 0..0 };

    /// Appends a `PT_LOAD` segment.
    pub(crate) fn add(&mut self, file: &'a [u8], header: &ProgramHeader) -> Result<(), ImageError<'a>> {
        let segment = Segment::read(file, header)?;
        if segment.addresses.is_empty() {
            return Ok(());
        }
        if self.list.last().is_some_and(|last| segment.pages().start < last.pages().end) {
            return Err(ImageError::Segment { address: header.p_vaddr, fault: SegmentFault::Order });
        }
        self.list.try_push(segment).map_err(|_| ImageError::TooManySegments)
    }

    /// Marks the region of a `PT_GNU_RELRO` header as read-only. Requires that all segments have been added.
    pub(crate) fn protect(&mut self, header: &ProgramHeader) -> Result<(), ImageError<'a>> {
        let address = header.p_vaddr;
        let region = address..address.saturating_add(header.p_memsz);
        // Some linkers round the region's end up to a page boundary, past the end of its segment.
        let holds = |segment: &Segment<'_>| {
            let end = segment.addresses.end.next_multiple_of(PAGE);
            segment.permissions == Permissions::ReadWrite
                && segment.addresses.start <= region.start
                && region.end <= end
        };
        if !region.is_empty() && !self.list.iter().any(holds) {
            return Err(ImageError::RelroPlace { address });
        }
        self.relro = region;
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the number of pages from the image's base to its end.
    pub(crate) fn page_count(&self) -> usize {
        // Fits in usize: `Segment::read` limits the end to MAX_IMAGE_BYTES.
        self.list.last().map_or(0, |last| last.pages().end as usize)
    }

    /// Returns a page's permissions, or `None` for a page in a gap.
    pub(crate) fn permissions(&self, page: usize) -> Option<Permissions> {
        let segment = self.of_page(page)?;
        let addresses = page_addresses(page);
        // The page is read-only if RELRO covers all of the segment's bytes in it.
        let used = addresses.start.max(segment.addresses.start)..addresses.end.min(segment.addresses.end);
        let relro = self.relro.start <= used.start && used.end <= self.relro.end;
        Some(if relro { Permissions::Read } else { segment.permissions })
    }

    /// Fills a page with the file's bytes, and with zeros where the file has none.
    pub(crate) fn fill(&self, page: usize, content: &mut [u8; PAGE_SIZE]) {
        content.fill(0);
        let Some(segment) = self.of_page(page) else { return };
        let addresses = page_addresses(page);
        let begin = segment.addresses.start;
        let from = addresses.start.max(begin);
        // Offsets within a segment fit in usize: a segment is at most MAX_IMAGE_BYTES long.
        let rest = segment.bytes.get((from - begin) as usize..).unwrap_or_default();
        let target = &mut content[(from - addresses.start) as usize..];
        let length = rest.len().min(target.len());
        target[..length].copy_from_slice(&rest[..length]);
    }

    /// Returns the file's bytes from an address to the end of its segment's part of the file.
    pub(crate) fn bytes_from(&self, address: u64) -> Option<&'a [u8]> {
        let segment = self.list.iter().find(|segment| segment.addresses.contains(&address))?;
        segment.bytes.get((address - segment.addresses.start) as usize..)
    }

    /// Returns true if all of the range is writable during relocation.
    pub(crate) fn is_writable(&self, range: &Range<u64>) -> bool {
        self.list
            .iter()
            .any(|segment| segment.permissions == Permissions::ReadWrite && segment.contains(range))
    }

    /// Returns true if the address lies in an executable segment.
    pub(crate) fn is_executable(&self, address: u64) -> bool {
        let code = |segment: &Segment<'_>| {
            segment.permissions == Permissions::ReadExecute && segment.addresses.contains(&address)
        };
        self.list.iter().any(code)
    }

    fn of_page(&self, page: usize) -> Option<&Segment<'a>> {
        self.list.iter().find(|segment| segment.pages().contains(&(page as u64)))
    }
}

/// Returns `length` bytes of the file at `offset`.
pub(crate) fn part(file: &[u8], offset: u64, length: u64) -> Result<&[u8], ImageError<'_>> {
    let end = offset.saturating_add(length);
    let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
    range
        .and_then(|(start, end)| file.get(start..end))
        .ok_or(ImageError::CutShort { needed: end, length: file.len() as u64 })
}

fn page_addresses(page: usize) -> Range<u64> {
    let start = (page as u64).saturating_mul(PAGE);
    start..start.saturating_add(PAGE)
}
