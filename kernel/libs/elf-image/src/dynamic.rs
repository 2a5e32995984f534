//! The dynamic section: it locates relocations and symbols, and may request features that drivers must not use.
use crate::error::ImageError;
use crate::names::DT_RELR;
use crate::relocation::Relocations;
use crate::segment::Segments;
use crate::symbol::Symbols;
use elf::abi;
use elf::dynamic::DynamicTable;
use elf::endian::LittleEndian;
use elf::file::Class;

/// The length of compact relative relocations. The `elf` crate does not define it.
const DT_RELRSZ: i64 = 35;

/// Bytes of a symbol in ELF64.
const SYMBOL: u64 = 24;
/// Bytes of a relocation in ELF64.
const RELOCATION: u64 = 24;

/// The entries of the dynamic section that this crate uses. `None` means that the entry is missing.
#[derive(Default)]
struct Entries {
    strings: Option<u64>,
    strings_length: Option<u64>,
    symbols: Option<u64>,
    hash: Option<u64>,
    gnu_hash: Option<u64>,
    data: Option<u64>,
    data_length: u64,
    calls: Option<u64>,
    calls_length: u64,
    library: Option<u64>,
    constructors: Option<i64>,
}

/// Reads the symbols and the two relocation tables from the bytes of the dynamic section.
pub(crate) fn read<'a>(
    bytes: &'a [u8],
    segments: &Segments<'a>,
) -> Result<(Symbols<'a>, [Relocations<'a>; 2]), ImageError<'a>> {
    let entries = Entries::read(bytes)?;
    let strings_length = entries.strings_length.unwrap_or(0);
    let strings = table(segments, abi::DT_STRTAB, entries.strings, strings_length)?;
    if let Some(offset) = entries.library {
        let name = crate::symbol::string(strings, offset).unwrap_or("?");
        return Err(ImageError::Library { name });
    }
    // The library comes first: a C library linked by mistake also has constructors.
    if let Some(tag) = entries.constructors {
        return Err(ImageError::Constructors { tag });
    }
    let symbols = rest(segments, abi::DT_SYMTAB, entries.symbols)?;
    let symbols = match (entries.hash, entries.gnu_hash) {
        (_, Some(gnu)) => {
            Symbols::with_gnu_hash(symbols, strings, rest(segments, abi::DT_GNU_HASH, Some(gnu))?)
        }
        (hash, None) => Symbols::with_hash(symbols, strings, rest(segments, abi::DT_HASH, hash)?),
    }?;
    let data = relocations(segments, abi::DT_RELA, entries.data, entries.data_length)?;
    let calls = relocations(segments, abi::DT_JMPREL, entries.calls, entries.calls_length)?;
    Ok((symbols, [data, calls]))
}

impl Entries {
    fn read<'a>(bytes: &'a [u8]) -> Result<Self, ImageError<'a>> {
        let mut entries = Self::default();
        for entry in DynamicTable::new(LittleEndian, Class::ELF64, bytes) {
            if entry.d_tag == abi::DT_NULL {
                break;
            }
            entries.take(entry.d_tag, entry.d_val())?;
        }
        Ok(entries)
    }

    /// Stores an entry, skips one that needs no action, or refuses one that a driver must not have.
    fn take<'a>(&mut self, tag: i64, value: u64) -> Result<(), ImageError<'a>> {
        match tag {
            abi::DT_STRTAB => self.strings = Some(value),
            abi::DT_STRSZ => self.strings_length = Some(value),
            abi::DT_SYMTAB => self.symbols = Some(value),
            abi::DT_HASH => self.hash = Some(value),
            abi::DT_GNU_HASH => self.gnu_hash = Some(value),
            abi::DT_RELA => self.data = Some(value),
            abi::DT_RELASZ => self.data_length = value,
            abi::DT_JMPREL => self.calls = Some(value),
            abi::DT_PLTRELSZ => self.calls_length = value,
            abi::DT_NEEDED => self.library = self.library.or(Some(value)),
            abi::DT_SYMENT if value != SYMBOL => return Err(ImageError::DynamicEntry { tag }),
            abi::DT_RELAENT if value != RELOCATION => return Err(ImageError::DynamicEntry { tag }),
            abi::DT_PLTREL if value != abi::DT_RELA as u64 => return Err(ImageError::RelocationForm { tag }),
            abi::DT_REL | abi::DT_RELSZ if value != 0 => {
                return Err(ImageError::RelocationForm { tag: abi::DT_REL });
            }
            DT_RELR | DT_RELRSZ if value != 0 => return Err(ImageError::RelocationForm { tag: DT_RELR }),
            abi::DT_TEXTREL => return Err(ImageError::RelocatedCode),
            abi::DT_FLAGS if value & abi::DF_TEXTREL as u64 != 0 => return Err(ImageError::RelocatedCode),
            abi::DT_INIT | abi::DT_FINI if value != 0 => self.constructors = Some(tag),
            abi::DT_INIT_ARRAYSZ | abi::DT_FINI_ARRAYSZ | abi::DT_PREINIT_ARRAYSZ if value != 0 => {
                self.constructors = Some(tag);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns a table of relocations, which is empty if its length is 0.
fn relocations<'a>(
    segments: &Segments<'a>,
    tag: i64,
    address: Option<u64>,
    length: u64,
) -> Result<Relocations<'a>, ImageError<'a>> {
    if length == 0 {
        return Ok(Relocations::new(&[]));
    }
    if !length.is_multiple_of(RELOCATION) {
        return Err(ImageError::DynamicEntry { tag });
    }
    Ok(Relocations::new(table(segments, tag, address, length)?))
}

/// Returns the `length` bytes of the table at `address`.
fn table<'a>(
    segments: &Segments<'a>,
    tag: i64,
    address: Option<u64>,
    length: u64,
) -> Result<&'a [u8], ImageError<'a>> {
    let bytes = rest(segments, tag, address)?;
    let length = usize::try_from(length).ok();
    length.and_then(|length| bytes.get(..length)).ok_or(ImageError::DynamicEntry { tag })
}

/// Returns the bytes from `address` to the end of its segment, for a table whose length the file does not give.
fn rest<'a>(segments: &Segments<'a>, tag: i64, address: Option<u64>) -> Result<&'a [u8], ImageError<'a>> {
    let bytes = address.and_then(|address| segments.bytes_from(address));
    bytes.filter(|bytes| !bytes.is_empty()).ok_or(ImageError::DynamicEntry { tag })
}
