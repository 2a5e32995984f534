//! The rights of each page of the kernel's own image, from the program headers of its ELF file (System V ABI, §5).
//!
//! The `elf` crate decodes the headers. It checks every field against the file's end and allocates nothing.
use arrayvec::ArrayVec;
use core::ops::Range;
use elf::ElfBytes;
use elf::abi::{PF_W, PF_X, PT_GNU_RELRO, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;
use units::{FRAME_SIZE, VirtAddr};

/// The highest number of parts of an image. Linkers make four to six segments, and RELRO divides one into three parts.
pub const MAX_PARTS: usize = 16;

/// What the kernel may do with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentRights {
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
}

/// Adjacent pages of the image with the same rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// The address of the first page.
    pub start: VirtAddr,
    /// The number of pages.
    pub pages: u64,
    /// The rights of these pages.
    pub rights: SegmentRights,
}

/// The reason why the pages' rights cannot be determined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageError {
    /// The file is not a readable ELF file, or it has no loadable segment.
    NotElf,
    /// The segment at this address is both writable and executable.
    WritableCode(VirtAddr),
    /// The segment at this address does not follow the segment before it on pages of its own, or it wraps around.
    SegmentPlace(VirtAddr),
    /// There are more than [`MAX_PARTS`] parts.
    TooManyParts,
}

/// Returns the parts of an image, in ascending order. The RELRO region, which only the loader may write, is read-only.
///
/// # Errors
/// Returns [`ImageError`] if the file is unreadable or if its headers are invalid.
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
        // If RELRO starts at the segment's start, within a page, nothing else uses that page.
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

/// Appends a segment's pages as up to three parts: before, in and after RELRO.
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
