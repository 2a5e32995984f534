//! The page size, and the limits that a driver's image must respect.

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;

/// The longest image, in bytes from its base to its end. A small file cannot ask for all memory.
pub const MAX_IMAGE_BYTES: u64 = 64 << 20;

/// The highest number of loaded segments. Linkers make four to six.
pub const MAX_SEGMENTS: usize = 16;

/// The longest name of an undefined symbol, in bytes without the terminating zero.
pub const MAX_SYMBOL_NAME: usize = 255;
