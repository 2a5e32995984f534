//! The reasons why a file is not a loadable driver.
use core::fmt;

use elf::to_str;

use crate::limits::{MAX_IMAGE_BYTES, MAX_SEGMENTS};
use crate::names::{Name, Tag, relocation_type};

/// Why a file is refused. Displays as the reason in the log.
///
/// Addresses are offsets from the image's base. Offsets and lengths are in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ImageError<'a> {
    /// The file does not start with ELF's magic number.
    NotElf,
    /// The file is shorter than its headers say.
    CutShort {
        /// The file length that the headers require.
        needed: u64,
        /// The length of the file.
        length: u64,
    },
    /// The file is not a 64-bit file.
    Not64Bit,
    /// The file is not little-endian.
    NotLittleEndian,
    /// The file has another ELF version than 1, the only one.
    Version {
        /// The version.
        found: u32,
    },
    /// The file is for another machine than x86_64.
    Machine {
        /// `e_machine`.
        found: u16,
    },
    /// The file is not a shared object (`ET_DYN`).
    FileType {
        /// `e_type`.
        found: u16,
    },
    /// The program headers do not have ELF64's length.
    ProgramHeaderLength {
        /// `e_phentsize`.
        found: u16,
    },
    /// The file has no loadable segment.
    NoSegments,
    /// The file has more than [`MAX_SEGMENTS`] loadable segments.
    TooManySegments,
    /// A loadable segment is invalid.
    Segment {
        /// The segment's address.
        address: u64,
        /// What is wrong with it.
        fault: SegmentFault,
    },
    /// The file requests an interpreter, so it is a program.
    Interpreter,
    /// The file requests thread-local storage.
    ThreadLocalStorage,
    /// The file requests an executable stack.
    ExecutableStack,
    /// The RELRO region, which becomes read-only after relocation, does not lie in one writable segment.
    RelroPlace {
        /// The region's address.
        address: u64,
    },
    /// A program header that may occur once occurs twice.
    Repeated {
        /// `p_type`.
        segment: u32,
    },
    /// The file has no dynamic section, so it has neither relocations nor symbols.
    NoDynamicSection,
    /// A dynamic entry is missing, points outside of the file, or has a wrong length.
    DynamicEntry {
        /// `d_tag`.
        tag: i64,
    },
    /// The file needs a shared library.
    Library {
        /// The library's name.
        name: &'a str,
    },
    /// The file has constructors or destructors. The kernel does not run them.
    Constructors {
        /// `d_tag`.
        tag: i64,
    },
    /// The file relocates its code, not only its data.
    RelocatedCode,
    /// The file has relocations in an unsupported format.
    RelocationForm {
        /// `d_tag`.
        tag: i64,
    },
    /// A relocation's type is not one of the four supported types.
    RelocationType {
        /// The address that the relocation changes.
        address: u64,
        /// `ELF64_R_TYPE`.
        found: u32,
    },
    /// A relocation changes bytes outside of writable memory.
    RelocationPlace {
        /// The address that the relocation changes.
        address: u64,
    },
    /// A relocation's eight bytes lie in two pages.
    RelocationAcrossPages {
        /// The address that the relocation changes.
        address: u64,
    },
    /// A relocation refers to a symbol that is not in the table.
    SymbolIndex {
        /// The symbol's index.
        index: u32,
    },
    /// A symbol's name is not in the string table, longer than [`MAX_SYMBOL_NAME`](crate::MAX_SYMBOL_NAME), or not UTF-8.
    SymbolName {
        /// The symbol's index.
        index: u32,
    },
    /// A relocation refers to a symbol that is neither data nor a plain function.
    SymbolType {
        /// The symbol's index.
        index: u32,
        /// `ELF64_ST_TYPE`.
        found: u8,
    },
    /// The kernel does not export an undefined symbol.
    UnknownSymbol {
        /// The symbol's name.
        name: &'a str,
    },
}

/// What is wrong with a loadable segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SegmentFault {
    /// It does not follow the segment before it on pages of its own.
    Order,
    /// Its alignment is more than a page, or not a power of two.
    Alignment {
        /// `p_align`.
        alignment: u64,
    },
    /// Its address and its file offset differ within a page.
    Offset,
    /// It is longer in the file than in memory.
    Length,
    /// It ends more than [`MAX_IMAGE_BYTES`] from the image's base.
    TooLarge,
    /// It is both writable and executable.
    WritableCode,
}

impl core::error::Error for ImageError<'_> {}

impl fmt::Display for ImageError<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotElf => out.write_str("not an ELF file"),
            Self::CutShort { needed, length } => {
                write!(out, "cut short: {length} bytes of at least {needed}")
            }
            Self::Not64Bit => out.write_str("not a 64-bit ELF file"),
            Self::NotLittleEndian => out.write_str("not a little-endian ELF file"),
            Self::Version { found } => write!(out, "ELF version {found}, not 1"),
            Self::Machine { found } => {
                let name = to_str::e_machine_to_human_str(found).unwrap_or("unknown");
                write!(out, "wrong machine {found}, {name}, not x86_64")
            }
            Self::FileType { found } => {
                let name = to_str::e_type_to_str(found).unwrap_or("unknown");
                write!(out, "file type {found} ({name}), not a shared object")
            }
            Self::ProgramHeaderLength { found } => write!(out, "program headers of {found} bytes, not 56"),
            Self::NoSegments => out.write_str("no segment to load"),
            Self::TooManySegments => write!(out, "more than {MAX_SEGMENTS} segments to load"),
            Self::Interpreter => out.write_str("asks for an interpreter: a program, not a driver"),
            Self::ThreadLocalStorage => out.write_str("asks for thread-local storage"),
            Self::ExecutableStack => out.write_str("asks for an executable stack"),
            Self::Repeated { segment } => {
                let name = to_str::p_type_to_str(segment).unwrap_or("unknown");
                write!(out, "more than one {name} header")
            }
            Self::RelroPlace { address } => {
                write!(out, "the RELRO region at {address:#x} is not in one writable segment")
            }
            Self::Segment { address, fault } => write!(out, "the segment at {address:#x} {fault}"),
            Self::NoDynamicSection => out.write_str("no dynamic section"),
            Self::DynamicEntry { tag } => write!(out, "dynamic entry {} is missing or wrong", Tag(tag)),
            Self::Library { name } => write!(out, "needs the library {}", Name(name)),
            Self::Constructors { tag } => {
                write!(out, "has constructors or destructors ({}), which are not run", Tag(tag))
            }
            Self::RelocatedCode => out.write_str("relocates its code: not compiled with -fPIC"),
            Self::RelocationForm { tag } => write!(out, "relocations in the form {} are not read", Tag(tag)),
            Self::RelocationType { address, found } => {
                let name = relocation_type(found).unwrap_or("unknown");
                write!(out, "relocation type {found} ({name}) at {address:#x} is not supported")
            }
            Self::RelocationPlace { address } => {
                write!(out, "the relocation at {address:#x} is not in writable memory")
            }
            Self::RelocationAcrossPages { address } => {
                write!(out, "the relocation at {address:#x} crosses a page")
            }
            Self::SymbolIndex { index } => {
                write!(out, "a relocation names symbol {index}, which does not exist")
            }
            Self::SymbolName { index } => write!(out, "the name of symbol {index} cannot be read"),
            Self::SymbolType { index, found } => {
                let name = to_str::st_symtype_to_str(found).unwrap_or("unknown");
                write!(out, "a relocation names symbol {index} of type {found} ({name})")
            }
            Self::UnknownSymbol { name } => write!(out, "unknown symbol {}", Name(name)),
        }
    }
}

impl fmt::Display for SegmentFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Order => out.write_str("shares a page with another, or is out of order"),
            Self::Alignment { alignment } => {
                write!(out, "is aligned to {alignment} bytes, not to a page or less")
            }
            Self::Offset => out.write_str("has another offset within a page in the file than in memory"),
            Self::Length => out.write_str("is longer in the file than in memory"),
            Self::TooLarge => write!(out, "makes the image longer than {} MiB", MAX_IMAGE_BYTES >> 20),
            Self::WritableCode => out.write_str("is both writable and executable"),
        }
    }
}
