//! Why a file is not taken as a driver.
use core::fmt;

/// Why a file is refused. Its text is the reason in the log.
///
/// Addresses are those in the file, counted from the image's base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ImageError<'a> {
    /// The file does not start with ELF's magic number.
    NotElf,
    /// An undefined symbol that the kernel does not export.
    UnknownSymbol {
        /// The symbol.
        name: &'a str,
    },
}

impl fmt::Display for ImageError<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => out.write_str("not an ELF file"),
            Self::UnknownSymbol { name } => write!(out, "unknown symbol {}", name.escape_debug()),
        }
    }
}
