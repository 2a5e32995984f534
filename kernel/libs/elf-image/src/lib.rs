//! An ELF driver from bytes to pages, relocations and an entry point.
//!
//! A driver's file is not trusted: any bytes at all lead to an [`Image`] or to an [`ImageError`], never to a panic, and
//! the work is linear in the file's size. Nothing is copied and nothing allocated; the loader maps pages, fills them
//! ([`Image::fill_page`]), relocates them ([`Image::relocate`]), sets their permissions ([`Image::page`]) and calls the
//! entry ([`Image::symbol`]). What is accepted is written down in `docs/driver-abi.md`.
//!
//! The `elf` crate decodes the structures: it is `no_std`, forbids unsafe code, allocates nothing and reads each field
//! with its bounds checked. What the fields may say is checked here.
#![no_std]
#![forbid(unsafe_code)]

mod dynamic;
mod error;
mod header;
mod relocation;
mod segment;
mod symbol;

pub use error::ImageError;

use elf::abi;
use relocation::Relocations;
use segment::Segments;
use symbol::Symbols;

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;

/// The most bytes from an image's base to its end, so that a few bytes of file cannot ask for all memory.
pub const MAX_IMAGE_BYTES: u64 = 64 << 20;

/// The most segments that an image has. Linkers make four to six.
pub const MAX_SEGMENTS: usize = 16;

/// The most bytes in the name of an undefined symbol.
pub const MAX_SYMBOL_NAME: usize = 255;

/// What may be done with a page. There is none that is both written and executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permissions {
    /// Only read. Pages that are to be so once relocated (RELRO) are among these.
    Read,
    /// Read and written.
    ReadWrite,
    /// Read and executed.
    ReadExecute,
}

/// One page of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageContent {
    /// What the driver may do with it once it is relocated.
    pub permissions: Permissions,
}

/// A driver's file, checked.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    segments: Segments<'a>,
    symbols: Symbols<'a>,
    /// Those of data, and those of calls.
    relocations: [Relocations<'a>; 2],
}

impl<'a> Image<'a> {
    /// Checks a driver's file.
    ///
    /// # Errors
    /// Anything that keeps it from being loaded, unknown symbols excepted: those [`Image::relocate`] finds.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError<'a>> {
        let (segments, dynamic) = read_segments(bytes)?;
        let (symbols, relocations) = dynamic::read(dynamic, &segments)?;
        for table in &relocations {
            table.check(&segments, &symbols)?;
        }
        Ok(Self { segments, symbols, relocations })
    }

    /// Pages from the image's base to its end, gaps included; at most [`MAX_IMAGE_BYTES`] of them.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.segments.page_count()
    }

    /// The page with this index; `None` where nothing is to be mapped.
    #[must_use]
    pub fn page(&self, index: usize) -> Option<PageContent> {
        self.segments.permissions(index).map(|permissions| PageContent { permissions })
    }

    /// Writes all of the page's bytes as they are before relocation: the file's where it has some, else zeros.
    pub fn fill_page(&self, index: usize, page: &mut [u8; PAGE_SIZE]) {
        self.segments.fill(index, page);
    }

    /// Relocates the image to `base`, its address in memory, which is a multiple of [`PAGE_SIZE`].
    ///
    /// `resolve` gives the address of a function that the kernel exports. `write` is called with each place's offset
    /// from `base` and the value of the eight bytes there. They lie in one page, which is [`Permissions::ReadWrite`] or
    /// will be read-only from then on; they need not be aligned.
    ///
    /// Every symbol is resolved before the first write and then once more, so `resolve` must answer the same both
    /// times.
    ///
    /// # Errors
    /// [`ImageError::UnknownSymbol`]: `resolve` does not know a symbol that is not weak; nothing has been written.
    pub fn relocate(
        &self,
        base: u64,
        resolve: &mut dyn FnMut(&str) -> Option<u64>,
        write: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ImageError<'a>> {
        for table in &self.relocations {
            table.apply(base, &self.symbols, resolve, &mut |_, _| {})?;
        }
        for table in &self.relocations {
            table.apply(base, &self.symbols, resolve, write)?;
        }
        Ok(())
    }

    /// The offset of the exported function with this name: a defined symbol that lies in executable memory.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<u64> {
        let symbol = self.symbols.find(name)?;
        let function = matches!(symbol.st_symtype(), abi::STT_FUNC | abi::STT_NOTYPE);
        (function && self.segments.is_executable(symbol.st_value)).then_some(symbol.st_value)
    }
}

/// The segments to load, and the bytes of the dynamic section.
fn read_segments(file: &[u8]) -> Result<(Segments<'_>, &[u8]), ImageError<'_>> {
    let mut segments = Segments::EMPTY;
    let (mut dynamic, mut relro) = (None, None);
    for header in header::program_headers(file)? {
        let segment = header.p_type;
        match segment {
            abi::PT_LOAD => segments.add(file, &header)?,
            abi::PT_INTERP => return Err(ImageError::Interpreter),
            abi::PT_TLS => return Err(ImageError::ThreadLocalStorage),
            abi::PT_GNU_STACK if header.p_flags & abi::PF_X != 0 => return Err(ImageError::ExecutableStack),
            abi::PT_DYNAMIC if dynamic.replace(header).is_some() => {
                return Err(ImageError::Repeated { segment });
            }
            abi::PT_GNU_RELRO if relro.replace(header).is_some() => {
                return Err(ImageError::Repeated { segment });
            }
            _ => {}
        }
    }
    if segments.is_empty() {
        return Err(ImageError::NoSegments);
    }
    if let Some(header) = relro {
        segments.protect(&header)?;
    }
    let dynamic = dynamic.ok_or(ImageError::NoDynamicSection)?;
    Ok((segments, segment::part(file, dynamic.p_offset, dynamic.p_filesz)?))
}
