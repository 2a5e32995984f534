//! An ELF driver from bytes to pages, relocations and an entry point.
#![no_std]
#![forbid(unsafe_code)]

mod error;

pub use error::ImageError;

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;

/// What may be done with a page. There is none that is both written and executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permissions {
    /// Only read; after relocation, for data that is relocated (RELRO).
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
    bytes: &'a [u8],
}

impl<'a> Image<'a> {
    /// Checks a driver's file.
    ///
    /// # Errors
    /// Anything that keeps it from being loaded, unknown symbols excepted: those [`Image::relocate`] finds.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError<'a>> {
        if bytes.starts_with(b"\x7fELF") { Ok(Self { bytes }) } else { Err(ImageError::NotElf) }
    }

    /// Pages from the image's base to its end, gaps included.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.bytes.len() / PAGE_SIZE
    }

    /// The page with this index; `None` where nothing is to be mapped.
    #[must_use]
    pub fn page(&self, _index: usize) -> Option<PageContent> {
        None
    }

    /// Writes all of the page's bytes as they are before relocation: the file's, and zeros.
    pub fn fill_page(&self, _index: usize, page: &mut [u8; PAGE_SIZE]) {
        page.fill(0);
    }

    /// Relocates the image to `base`: `resolve` gives the address of a `Kernel_…` function, and `write` is called with
    /// each place's offset from `base` and the eight bytes' value.
    ///
    /// Every symbol is resolved before the first write, then once more, so `resolve` answers the same both times.
    /// The eight bytes lie in one page, writable or relocated read-only, and need not be aligned.
    ///
    /// # Errors
    /// [`ImageError::UnknownSymbol`]: `resolve` does not know a symbol; nothing has been written.
    pub fn relocate(
        &self,
        _base: u64,
        _resolve: &mut dyn FnMut(&str) -> Option<u64>,
        _write: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ImageError<'a>> {
        Ok(())
    }

    /// The offset of the exported symbol with this name, if it lies in executable memory.
    #[must_use]
    pub fn symbol(&self, _name: &str) -> Option<u64> {
        None
    }
}
