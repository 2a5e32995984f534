//! Relocations: the supported types, the addresses they may change, and the values they write.
use crate::error::ImageError;
use crate::limits::PAGE_SIZE;
use crate::segment::Segments;
use crate::symbol::Symbols;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::parse::ParsingTable;
use elf::relocation::Rela;

/// Bytes that a relocation of any supported type writes.
const WIDTH: u64 = 8;

/// A table of relocations.
#[derive(Clone, Debug)]
pub(crate) struct Relocations<'a> {
    table: ParsingTable<'a, LittleEndian, Rela>,
}

/// The value that a relocation writes: the image's base or a symbol's address, plus an addend.
enum Value {
    Base { addend: i64 },
    Symbol { index: u32, addend: i64 },
}

impl<'a> Relocations<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { table: ParsingTable::new(LittleEndian, Class::ELF64, bytes) }
    }

    /// Checks everything but the names of symbols.
    pub(crate) fn check(&self, segments: &Segments<'a>, symbols: &Symbols<'a>) -> Result<(), ImageError<'a>> {
        for relocation in self.table.iter() {
            check_place(segments, relocation.r_offset)?;
            if let Value::Symbol { index, .. } = value(&relocation)? {
                symbols.get(index)?;
            }
        }
        Ok(())
    }

    /// Calls `write` with the address and the value of each relocation.
    pub(crate) fn apply(
        &self,
        base: u64,
        symbols: &Symbols<'a>,
        resolve: &mut dyn FnMut(&str) -> Option<u64>,
        write: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ImageError<'a>> {
        for relocation in self.table.iter() {
            let value = match value(&relocation)? {
                Value::Base { addend } => base.wrapping_add_signed(addend),
                Value::Symbol { index, addend } => {
                    symbol_value(base, symbols, index, resolve)?.wrapping_add_signed(addend)
                }
            };
            write(relocation.r_offset, value);
        }
        Ok(())
    }
}

/// Returns what a relocation writes (x86-64 psABI, table 4.9).
fn value<'a>(relocation: &Rela) -> Result<Value, ImageError<'a>> {
    let &Rela { r_offset: address, r_sym: index, r_type: found, r_addend: addend } = relocation;
    match found {
        abi::R_X86_64_RELATIVE => Ok(Value::Base { addend }),
        abi::R_X86_64_64 => Ok(Value::Symbol { index, addend }),
        abi::R_X86_64_GLOB_DAT | abi::R_X86_64_JUMP_SLOT => Ok(Value::Symbol { index, addend: 0 }),
        _ => Err(ImageError::RelocationType { address, found }),
    }
}

/// Checks that the eight bytes at `address` are writable and lie in one page.
fn check_place<'a>(segments: &Segments<'a>, address: u64) -> Result<(), ImageError<'a>> {
    let place = address..address.saturating_add(WIDTH);
    if !segments.is_writable(&place) {
        return Err(ImageError::RelocationPlace { address });
    }
    if address % PAGE_SIZE as u64 > PAGE_SIZE as u64 - WIDTH {
        return Err(ImageError::RelocationAcrossPages { address });
    }
    Ok(())
}

/// Returns the address of a symbol: the driver's own, or else the kernel's.
///
/// An undefined weak symbol that the kernel does not export has the value 0.
fn symbol_value<'a>(
    base: u64,
    symbols: &Symbols<'a>,
    index: u32,
    resolve: &mut dyn FnMut(&str) -> Option<u64>,
) -> Result<u64, ImageError<'a>> {
    let symbol = symbols.get(index)?;
    match symbols.undefined_name(index, &symbol)? {
        Some(name) => match resolve(name) {
            Some(address) => Ok(address),
            None if symbol.st_bind() == abi::STB_WEAK => Ok(0),
            None => Err(ImageError::UnknownSymbol { name }),
        },
        None if index == 0 || symbol.st_shndx == abi::SHN_ABS => Ok(symbol.st_value),
        None => Ok(base.wrapping_add(symbol.st_value)),
    }
}
