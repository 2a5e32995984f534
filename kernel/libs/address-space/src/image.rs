//! What may be done with each page of the kernel's own image, by the program headers of its ELF file (System V ABI, §5).
//!
//! The `elf` crate decodes the headers, with every field checked against the file's end and nothing allocated.
use arrayvec::ArrayVec;
use core::ops::Range;
use elf::ElfBytes;
use elf::abi::{PF_W, PF_X, PT_GNU_RELRO, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;
use units::{FRAME_SIZE, VirtAddr};

/// The most parts that an image has: linkers make four to six segments, and RELRO cuts one into three.
pub const MAX_PARTS: usize = 16;

/// What may be done with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentRights {
    /// Only read.
    Read,
    /// Read and written.
    ReadWrite,
    /// Read and executed.
    ReadExecute,
}

/// Pages of the image with the same rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// The first page.
    pub start: VirtAddr,
    /// How many pages.
    pub pages: u64,
    /// What may be done with them.
    pub rights: SegmentRights,
}

/// Why the pages' rights cannot be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageError {
    /// It is no ELF file that can be read, or has no program headers.
    NotElf,
    /// The segment at this address is both written and executed.
    WritableCode(VirtAddr),
    /// The segment at this address shares a page with the one before it, comes before it, or wraps around.
    SegmentPlace(VirtAddr),
    /// There are more than [`MAX_PARTS`] parts.
    TooManyParts,
}

/// The parts of an image, in ascending order. What a linker wants read-only once the image is linked (RELRO) is so.
///
/// # Errors
/// [`ImageError`], where the headers contradict each other.
pub fn parts(file: &[u8]) -> Result<ArrayVec<Part, MAX_PARTS>, ImageError> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| ImageError::NotElf)?;
    let headers = || file.segments().into_iter().flatten();
    let relro = headers().find(|header| header.p_type == PT_GNU_RELRO);
    let relro = relro.map_or(0..0, |header| header.p_vaddr..header.p_vaddr.saturating_add(header.p_memsz));
    let mut parts = ArrayVec::new();
    let mut previous_end = 0;
    for header in headers().filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0) {
        let address = VirtAddr(header.p_vaddr);
        let misplaced = ImageError::SegmentPlace(address);
        let end = header.p_vaddr.checked_add(header.p_memsz - 1).ok_or(misplaced)?;
        let pages = header.p_vaddr / FRAME_SIZE..end / FRAME_SIZE + 1;
        if pages.start < previous_end {
            return Err(misplaced);
        }
        previous_end = pages.end;
        // A linker starts the region where the segment starts, in the middle of a page of which nothing else is used.
        let relro_start =
            if relro.start <= header.p_vaddr { pages.start } else { relro.start.div_ceil(FRAME_SIZE) };
        add_segment(&mut parts, pages, rights(&header)?, relro_start..relro.end / FRAME_SIZE)?;
    }
    if parts.is_empty() { Err(ImageError::NotElf) } else { Ok(parts) }
}

fn rights(header: &ProgramHeader) -> Result<SegmentRights, ImageError> {
    match (header.p_flags & PF_W != 0, header.p_flags & PF_X != 0) {
        (true, true) => Err(ImageError::WritableCode(VirtAddr(header.p_vaddr))),
        (true, false) => Ok(SegmentRights::ReadWrite),
        (false, true) => Ok(SegmentRights::ReadExecute),
        (false, false) => Ok(SegmentRights::Read),
    }
}

/// Adds a segment's pages, those that are RELRO's apart.
fn add_segment(
    parts: &mut ArrayVec<Part, MAX_PARTS>,
    pages: Range<u64>,
    rights: SegmentRights,
    relro: Range<u64>,
) -> Result<(), ImageError> {
    let clamp = |page: u64| page.clamp(pages.start, pages.end);
    let relro_start = clamp(relro.start);
    let relro_end = clamp(relro.end).max(relro_start);
    let protected = if rights == SegmentRights::ReadWrite { SegmentRights::Read } else { rights };
    for (pages, rights) in [
        (pages.start..relro_start, rights),
        (relro_start..relro_end, protected),
        (relro_end..pages.end, rights),
    ] {
        if !pages.is_empty() {
            let start = VirtAddr(pages.start * FRAME_SIZE);
            let part = Part { start, pages: pages.end - pages.start, rights };
            parts.try_push(part).map_err(|_| ImageError::TooManyParts)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
