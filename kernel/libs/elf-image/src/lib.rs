//! Reads an ELF driver: its pages, its relocations and its entry points.
//!
//! A driver's file is not trusted. Any bytes lead to an [`Image`] or to an [`ImageError`], never to a panic, and the work
//! is linear in the file's size. The crate copies and allocates nothing. A loader maps pages, fills them
//! ([`Image::fill_page`]), relocates them ([`Image::relocate`]), sets their permissions ([`Image::page`]) and calls the
//! entry point ([`Image::symbol`]). `docs/driver-abi.md` describes the accepted files.
//!
//! The `elf` crate decodes the structures. It is `no_std`, forbids unsafe code, allocates nothing and checks the bounds
//! of each field. This crate checks the fields' values.
#![no_std]
#![forbid(unsafe_code)]

mod dynamic;
mod error;
mod header;
mod limits;
mod names;
mod relocation;
mod segment;
mod symbol;

pub use error::{ImageError, SegmentFault};
pub use limits::{MAX_IMAGE_BYTES, MAX_SEGMENTS, MAX_SYMBOL_NAME, PAGE_SIZE};
pub use segment::Permissions;

use elf::abi;
use relocation::Relocations;
use segment::Segments;
use symbol::Symbols;

/// One page of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageContent {
    /// What the driver may do with the page after relocation.
    pub permissions: Permissions,
}

/// A driver's file that has passed all checks.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    segments: Segments<'a>,
    symbols: Symbols<'a>,
    /// The relocations of data (`DT_RELA`) and of calls (`DT_JMPREL`).
    relocations: [Relocations<'a>; 2],
}

impl<'a> Image<'a> {
    /// Checks a driver's file.
    ///
    /// # Errors
    /// Returns the first reason why the file cannot be loaded. [`Image::relocate`], not this function, finds unknown
    /// symbols and names that cannot be read.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError<'a>> {
        let (segments, dynamic) = read_segments(bytes)?;
        let (symbols, relocations) = dynamic::read(dynamic, &segments)?;
        for table in &relocations {
            table.check(&segments, &symbols)?;
        }
        Ok(Self { segments, symbols, relocations })
    }

    /// Returns the number of pages from the image's base to its end, gaps included: at most [`MAX_IMAGE_BYTES`].
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.segments.page_count()
    }

    /// Returns the page with this index, or `None` if the index lies in a gap or past the end.
    #[must_use]
    pub fn page(&self, index: usize) -> Option<PageContent> {
        self.segments.permissions(index).map(|permissions| PageContent { permissions })
    }

    /// Fills `page` with the page's content before relocation: the file's bytes, and zeros where the file has none.
    pub fn fill_page(&self, index: usize, page: &mut [u8; PAGE_SIZE]) {
        self.segments.fill(index, page);
    }

    /// Relocates the image to `base`, its address in memory, which is a multiple of [`PAGE_SIZE`].
    ///
    /// `resolve` returns the address of a function that the kernel exports. `write` receives an offset from `base` and
    /// the value for the eight bytes there. These bytes lie in one page but need not be aligned. The page is
    /// [`Permissions::ReadWrite`], or becomes read-only after relocation.
    ///
    /// # Errors
    /// Returns [`ImageError::UnknownSymbol`] if `resolve` does not know a symbol that is not weak, and
    /// [`ImageError::SymbolName`] if a name cannot be read. Relocations before that one have been written: the caller
    /// discards the image.
    pub fn relocate(
        &self,
        base: u64,
        resolve: &mut dyn FnMut(&str) -> Option<u64>,
        write: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ImageError<'a>> {
        for table in &self.relocations {
            table.apply(base, &self.symbols, resolve, write)?;
        }
        Ok(())
    }

    /// Returns the offset from the base of the exported function with this name.
    ///
    /// A function is a defined symbol in executable memory.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<u64> {
        let symbol = self.symbols.find(name)?;
        let function = matches!(symbol.st_symtype(), abi::STT_FUNC | abi::STT_NOTYPE);
        (function && self.segments.is_executable(symbol.st_value)).then_some(symbol.st_value)
    }

    /// Returns the file's bytes from the exported object with this name to the end of its segment's part of the file. There are none if the
    /// object lies elsewhere, such as among data that begins as zeros. Returns `None` if no such object is exported.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&'a [u8]> {
        let symbol = self.symbols.find(name)?;
        matches!(symbol.st_symtype(), abi::STT_OBJECT | abi::STT_NOTYPE)
            .then(|| self.segments.bytes_from(symbol.st_value).unwrap_or_default())
    }
}

/// Returns the loadable segments and the bytes of the dynamic section.
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
