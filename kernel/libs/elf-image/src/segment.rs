//! The segments that are loaded: where they lie, what their pages hold, and what may be done with them.
use crate::error::ImageError;
use crate::{MAX_IMAGE_BYTES, MAX_SEGMENTS, PAGE_SIZE, Permissions};
use arrayvec::ArrayVec;
use core::ops::Range;
use elf::abi;
use elf::segment::ProgramHeader;

const PAGE: u64 = PAGE_SIZE as u64;

/// One loaded segment. Its pages are its own.
#[derive(Clone, Debug)]
struct Segment<'a> {
    /// Addresses in the image.
    addresses: Range<u64>,
    /// What the file has of it; zeros follow.
    bytes: &'a [u8],
    permissions: Permissions,
}

impl<'a> Segment<'a> {
    fn read(file: &'a [u8], header: &ProgramHeader) -> Result<Self, ImageError<'a>> {
        let address = header.p_vaddr;
        let end = address.checked_add(header.p_memsz).filter(|&end| end <= MAX_IMAGE_BYTES);
        let end = end.ok_or(ImageError::TooLarge { address })?;
        if header.p_filesz > header.p_memsz {
            return Err(ImageError::SegmentLength { address });
        }
        if header.p_align > PAGE || (header.p_align != 0 && !header.p_align.is_power_of_two()) {
            return Err(ImageError::SegmentAlignment { address, alignment: header.p_align });
        }
        if header.p_offset % PAGE != address % PAGE {
            return Err(ImageError::SegmentPlace { address });
        }
        let permissions = match (header.p_flags & abi::PF_W != 0, header.p_flags & abi::PF_X != 0) {
            (true, true) => return Err(ImageError::WritableCode { address }),
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

/// All loaded segments, in ascending order.
#[derive(Clone, Debug)]
pub(crate) struct Segments<'a> {
    list: ArrayVec<Segment<'a>, MAX_SEGMENTS>,
    /// Read-only once relocated (`PT_GNU_RELRO`).
    relro: Range<u64>,
}

impl<'a> Segments<'a> {
    pub(crate) const EMPTY: Self = Self { list: ArrayVec::new_const(), relro: 0..0 };

    /// Adds a `PT_LOAD` segment behind those that are there.
    pub(crate) fn add(&mut self, file: &'a [u8], header: &ProgramHeader) -> Result<(), ImageError<'a>> {
        let segment = Segment::read(file, header)?;
        if segment.addresses.is_empty() {
            return Ok(());
        }
        if self.list.last().is_some_and(|last| segment.pages().start < last.pages().end) {
            return Err(ImageError::SegmentOrder { address: header.p_vaddr });
        }
        self.list.try_push(segment).map_err(|_| ImageError::TooManySegments)
    }

    /// Makes the region of a `PT_GNU_RELRO` header read-only, once all segments are there.
    pub(crate) fn protect(&mut self, header: &ProgramHeader) -> Result<(), ImageError<'a>> {
        let address = header.p_vaddr;
        let region = address..address.saturating_add(header.p_memsz);
        // Some linkers round its end up to a page, past the end of its segment.
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

    /// Pages from the image's base to its end.
    pub(crate) fn page_count(&self) -> usize {
        // At most MAX_IMAGE_BYTES / PAGE_SIZE.
        self.list.last().map_or(0, |last| last.pages().end as usize)
    }

    /// What may be done with a page; `None` in a gap.
    pub(crate) fn permissions(&self, page: usize) -> Option<Permissions> {
        let segment = self.of_page(page)?;
        let addresses = page_addresses(page);
        // A page is read-only if RELRO has all that the segment has of it.
        let used = addresses.start.max(segment.addresses.start)..addresses.end.min(segment.addresses.end);
        let relro = self.relro.start <= used.start && used.end <= self.relro.end;
        Some(if relro { Permissions::Read } else { segment.permissions })
    }

    /// Writes all of a page: the file's bytes where it has some, else zeros.
    pub(crate) fn fill(&self, page: usize, content: &mut [u8; PAGE_SIZE]) {
        content.fill(0);
        let Some(segment) = self.of_page(page) else { return };
        let addresses = page_addresses(page);
        let begin = segment.addresses.start;
        let from = addresses.start.max(begin);
        // Offsets within a segment fit in usize: it is at most MAX_IMAGE_BYTES long.
        let rest = segment.bytes.get((from - begin) as usize..).unwrap_or_default();
        let target = &mut content[(from - addresses.start) as usize..];
        let length = rest.len().min(target.len());
        target[..length].copy_from_slice(&rest[..length]);
    }

    /// The file's bytes from an address to the end of what the file has of that segment.
    pub(crate) fn bytes_from(&self, address: u64) -> Option<&'a [u8]> {
        let segment = self.list.iter().find(|segment| segment.addresses.contains(&address))?;
        segment.bytes.get((address - segment.addresses.start) as usize..)
    }

    /// Whether all of the range is writable until it is relocated.
    pub(crate) fn is_writable(&self, range: &Range<u64>) -> bool {
        self.list
            .iter()
            .any(|segment| segment.permissions == Permissions::ReadWrite && segment.contains(range))
    }

    /// Whether there is code at the address.
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

/// The file's bytes at an offset.
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
