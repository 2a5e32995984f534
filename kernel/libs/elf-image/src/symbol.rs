//! Symbols: those that a driver exports, and those that its relocations refer to.
use crate::error::ImageError;
use crate::limits::MAX_SYMBOL_NAME;
use core::ffi::CStr;
use core::ops::Range;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::hash::{GnuHashHeader, SysVHashHeader};
use elf::parse::{ParseAt, ParsingTable};
use elf::symbol::{Symbol, SymbolTable};

/// The dynamic symbol table.
#[derive(Clone, Debug)]
pub(crate) struct Symbols<'a> {
    /// The table and the bytes that follow it: the file does not give the table's length.
    entries: SymbolTable<'a, LittleEndian>,
    strings: &'a [u8],
    /// The indices of the symbols in the hash table. These can be found by name.
    exported: Range<usize>,
}

impl<'a> Symbols<'a> {
    /// Creates the table from a System V hash table, which contains all symbols and gives their number.
    pub(crate) fn with_hash(
        entries: &'a [u8],
        strings: &'a [u8],
        hash: &'a [u8],
    ) -> Result<Self, ImageError<'a>> {
        let header = SysVHashHeader::parse_at(LittleEndian, Class::ELF64, &mut 0, hash)
            .map_err(|_| ImageError::DynamicEntry { tag: abi::DT_HASH })?;
        Self::new(entries, strings, 1..header.nchain as usize, abi::DT_HASH)
    }

    /// Creates the table from a GNU hash table, which contains the last symbols and marks the end of each chain.
    pub(crate) fn with_gnu_hash(
        entries: &'a [u8],
        strings: &'a [u8],
        hash: &'a [u8],
    ) -> Result<Self, ImageError<'a>> {
        let exported = gnu_exported(hash).ok_or(ImageError::DynamicEntry { tag: abi::DT_GNU_HASH })?;
        Self::new(entries, strings, exported, abi::DT_GNU_HASH)
    }

    fn new(
        entries: &'a [u8],
        strings: &'a [u8],
        exported: Range<usize>,
        tag: i64,
    ) -> Result<Self, ImageError<'a>> {
        let entries = SymbolTable::new(LittleEndian, Class::ELF64, entries);
        if exported.end > entries.len() {
            return Err(ImageError::DynamicEntry { tag });
        }
        Ok(Self { entries, strings, exported })
    }

    /// Returns the exported symbol with this name.
    pub(crate) fn find(&self, name: &str) -> Option<Symbol> {
        let mut exported = self.exported.clone().filter_map(|index| self.entries.get(index).ok());
        exported.find(|symbol| !symbol.is_undefined() && self.is_named(symbol, name))
    }

    /// Returns the symbol that a relocation refers to, if its type has an address.
    pub(crate) fn get(&self, index: u32) -> Result<Symbol, ImageError<'a>> {
        let symbol = self.entries.get(index as usize).map_err(|_| ImageError::SymbolIndex { index })?;
        match symbol.st_symtype() {
            abi::STT_NOTYPE | abi::STT_OBJECT | abi::STT_FUNC | abi::STT_SECTION => Ok(symbol),
            found => Err(ImageError::SymbolType { index, found }),
        }
    }

    /// Returns the name of an undefined symbol, or `None` for symbol 0 and for a defined symbol.
    pub(crate) fn undefined_name(
        &self,
        index: u32,
        symbol: &Symbol,
    ) -> Result<Option<&'a str>, ImageError<'a>> {
        // Symbol 0 is the table's empty entry. Its value is 0.
        if index == 0 || !symbol.is_undefined() {
            return Ok(None);
        }
        let name = string(self.strings, u64::from(symbol.st_name));
        name.map(Some).ok_or(ImageError::SymbolName { index })
    }

    fn is_named(&self, symbol: &Symbol, name: &str) -> bool {
        let found = self.strings.get(symbol.st_name as usize..).unwrap_or_default();
        found.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    }
}

/// Returns the string at an offset if it is zero-terminated, valid UTF-8, not empty and within [`MAX_SYMBOL_NAME`].
///
/// The limit keeps the work for a hostile file linear in its size.
pub(crate) fn string(strings: &[u8], offset: u64) -> Option<&str> {
    let rest = strings.get(usize::try_from(offset).ok()?..)?;
    let rest = &rest[..rest.len().min(MAX_SYMBOL_NAME + 1)];
    let name = CStr::from_bytes_until_nul(rest).ok()?.to_str().ok()?;
    (!name.is_empty()).then_some(name)
}

/// Returns the indices of the symbols in a GNU hash table.
///
/// The table has four parts: a header, `nbloom` words of 64 bits, `nbucket` first indices, and one word for each
/// symbol from `table_start_idx` on. The lowest bit of a symbol's word marks the last symbol of its chain.
fn gnu_exported(hash: &[u8]) -> Option<Range<usize>> {
    let mut offset = 0;
    let header = GnuHashHeader::parse_at(LittleEndian, Class::ELF64, &mut offset, hash).ok()?;
    let buckets_start = offset.checked_add((header.nbloom as usize).checked_mul(8)?)?;
    let buckets_end = buckets_start.checked_add((header.nbucket as usize).checked_mul(4)?)?;
    let buckets = words(hash.get(buckets_start..buckets_end)?);
    let chains = words(hash.get(buckets_end..)?);

    let first = header.table_start_idx as usize;
    let last_chain = buckets.iter().max().unwrap_or(0) as usize;
    if last_chain == 0 {
        return Some(first..first);
    }
    let start = last_chain.checked_sub(first)?;
    let length = (start..chains.len()).find(|&at| chains.get(at).is_ok_and(|word| word & 1 == 1))? + 1;
    Some(first..first.checked_add(length)?)
}

fn words(bytes: &[u8]) -> ParsingTable<'_, LittleEndian, u32> {
    ParsingTable::new(LittleEndian, Class::ELF64, bytes)
}
