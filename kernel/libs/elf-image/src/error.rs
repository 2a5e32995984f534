//! Why a file is not taken as a driver.
use core::fmt;
use elf::abi;
use elf::to_str;

/// Why a file is refused. Its text is the reason in the log.
///
/// Addresses are the file's own, counted from the image's base; offsets and lengths are in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ImageError<'a> {
    /// The file does not start with ELF's magic number.
    NotElf,
    /// The file ends before something that its headers promise.
    CutShort {
        /// Where that would end.
        needed: u64,
        /// Where the file ends.
        length: u64,
    },
    /// Not a 64-bit file.
    Not64Bit,
    /// Not a little-endian file.
    NotLittleEndian,
    /// Not version 1 of ELF, the only one.
    Version {
        /// The version.
        found: u32,
    },
    /// Not for x86_64.
    Machine {
        /// `e_machine`.
        found: u16,
    },
    /// Not a shared object (`ET_DYN`).
    FileType {
        /// `e_type`.
        found: u16,
    },
    /// Program headers are not of the length that ELF64 has.
    ProgramHeaderLength {
        /// `e_phentsize`.
        found: u16,
    },
    /// No segment is to be loaded.
    NoSegments,
    /// More segments are to be loaded than [`crate::MAX_SEGMENTS`].
    TooManySegments,
    /// A segment does not lie behind the one before it, on pages of its own.
    SegmentOrder {
        /// The segment.
        address: u64,
    },
    /// A segment is aligned to more than a page, or to no power of two.
    SegmentAlignment {
        /// The segment.
        address: u64,
        /// `p_align`.
        alignment: u64,
    },
    /// A segment's address and its place in the file differ within a page.
    SegmentPlace {
        /// The segment.
        address: u64,
    },
    /// A segment is longer in the file than in memory.
    SegmentLength {
        /// The segment.
        address: u64,
    },
    /// The image is longer than [`crate::MAX_IMAGE_BYTES`].
    TooLarge {
        /// Where a segment begins that ends too far.
        address: u64,
    },
    /// A segment is both written and executed.
    WritableCode {
        /// The segment.
        address: u64,
    },
    /// An interpreter is asked for: the file is a program.
    Interpreter,
    /// Thread-local storage is asked for.
    ThreadLocalStorage,
    /// An executable stack is asked for.
    ExecutableStack,
    /// What is to be read-only after relocation does not lie in one writable segment.
    RelroPlace {
        /// The region.
        address: u64,
    },
    /// A header that comes once at most comes twice.
    Repeated {
        /// `p_type`.
        segment: u32,
    },
    /// There is no dynamic section, so neither relocations nor symbols.
    NoDynamicSection,
    /// A dynamic entry is missing, or names something that is not in the file or is of the wrong length.
    DynamicEntry {
        /// `d_tag`.
        tag: i64,
    },
    /// Another library is needed.
    Library {
        /// The library.
        name: &'a str,
    },
    /// There are constructors or destructors, which nobody would run.
    Constructors {
        /// `d_tag`.
        tag: i64,
    },
    /// Code is to be relocated, not only data.
    RelocatedCode,
    /// Relocations come in a form that is not read.
    RelocationForm {
        /// `d_tag`.
        tag: i64,
    },
    /// A relocation's type is not one of the four that are known.
    RelocationType {
        /// Where it applies.
        address: u64,
        /// `ELF64_R_TYPE`.
        found: u32,
    },
    /// A relocation applies outside of writable memory.
    RelocationPlace {
        /// Where it applies.
        address: u64,
    },
    /// A relocation's eight bytes lie in two pages.
    RelocationAcrossPages {
        /// Where it applies.
        address: u64,
    },
    /// A relocation names a symbol that is not in the table.
    SymbolIndex {
        /// The symbol.
        index: u32,
    },
    /// A symbol's name is not in the string table, longer than [`crate::MAX_SYMBOL_NAME`], or not UTF-8.
    SymbolName {
        /// The symbol.
        index: u32,
    },
    /// A relocation names a symbol that is neither data nor a plain function.
    SymbolType {
        /// The symbol.
        index: u32,
        /// `ELF64_ST_TYPE`.
        found: u8,
    },
    /// An undefined symbol that the kernel does not export.
    UnknownSymbol {
        /// The symbol.
        name: &'a str,
    },
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
            Self::ProgramHeaderLength { found } => {
                write!(out, "program headers of {found} bytes, not 56")
            }
            Self::NoSegments => out.write_str("no segment to load"),
            Self::TooManySegments => write!(out, "more than {} segments to load", crate::MAX_SEGMENTS),
            Self::SegmentOrder { address } => {
                write!(out, "the segment at {address:#x} shares a page with another, or is out of order")
            }
            Self::SegmentAlignment { address, alignment } => {
                write!(
                    out,
                    "the segment at {address:#x} is aligned to {alignment} bytes, not to a page or less"
                )
            }
            Self::SegmentPlace { address } => {
                write!(out, "the segment at {address:#x} lies elsewhere within its page in the file")
            }
            Self::SegmentLength { address } => {
                write!(out, "the segment at {address:#x} is longer in the file than in memory")
            }
            Self::TooLarge { address } => {
                let limit = crate::MAX_IMAGE_BYTES >> 20;
                write!(out, "the segment at {address:#x} makes the image longer than {limit} MiB")
            }
            Self::WritableCode { address } => {
                write!(out, "the segment at {address:#x} is both writable and executable")
            }
            Self::Interpreter => out.write_str("asks for an interpreter: a program, not a driver"),
            Self::ThreadLocalStorage => out.write_str("asks for thread-local storage"),
            Self::ExecutableStack => out.write_str("asks for an executable stack"),
            Self::RelroPlace { address } => {
                write!(out, "the RELRO region at {address:#x} is not in one writable segment")
            }
            Self::Repeated { segment } => {
                let name = to_str::p_type_to_str(segment).unwrap_or("unknown");
                write!(out, "more than one {name} header")
            }
            Self::NoDynamicSection => out.write_str("no dynamic section"),
            Self::DynamicEntry { tag } => {
                write!(out, "dynamic entry {} is missing or wrong", Tag(tag))
            }
            Self::Library { name } => write!(out, "needs the library {}", Name(name)),
            Self::Constructors { tag } => {
                write!(out, "has constructors or destructors ({}), which are not run", Tag(tag))
            }
            Self::RelocatedCode => out.write_str("relocates its code: not compiled with -fPIC"),
            Self::RelocationForm { tag } => write!(out, "relocations in the form {} are not read", Tag(tag)),
            Self::RelocationType { address, found } => {
                let name = crate::relocation::type_name(found).unwrap_or("unknown");
                write!(out, "relocation type {found} ({name}) at {address:#x} is not supported")
            }
            Self::RelocationPlace { address } => {
                write!(out, "the relocation at {address:#x} is not in writable memory")
            }
            Self::RelocationAcrossPages { address } => {
                write!(out, "the relocation at {address:#x} crosses a page")
            }
            Self::SymbolIndex { index } => {
                write!(out, "a relocation names symbol {index}, which is not there")
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

/// A dynamic entry's tag, by name where it has one.
struct Tag(i64);

impl fmt::Display for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            crate::dynamic::DT_RELR => out.write_str("DT_RELR"),
            abi::DT_GNU_HASH => out.write_str("DT_GNU_HASH"),
            tag => match to_str::d_tag_to_str(tag) {
                Some(name) => out.write_str(name),
                None => write!(out, "{tag:#x}"),
            },
        }
    }
}

/// A name out of the file, fit for one log line.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.escape_debug())
    }
}
