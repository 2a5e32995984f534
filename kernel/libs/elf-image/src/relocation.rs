//! Relocations: which are known, where they may apply, and what they write.
use crate::PAGE_SIZE;
use crate::error::ImageError;
use crate::segment::Segments;
use crate::symbol::Symbols;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::parse::ParsingTable;
use elf::relocation::Rela;

/// Bytes that each known relocation writes.
const WIDTH: u64 = 8;

/// A table of relocations.
#[derive(Clone, Debug)]
pub(crate) struct Relocations<'a> {
    table: ParsingTable<'a, LittleEndian, Rela>,
}

/// What a relocation writes: a symbol's value or else the base, and a number added to it.
enum Value {
    Base { addend: i64 },
    Symbol { index: u32, addend: i64 },
}

impl<'a> Relocations<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { table: ParsingTable::new(LittleEndian, Class::ELF64, bytes) }
    }

    /// Checks all that does not hang on what the kernel exports.
    pub(crate) fn check(&self, segments: &Segments<'a>, symbols: &Symbols<'a>) -> Result<(), ImageError<'a>> {
        for relocation in self.table.iter() {
            check_place(segments, relocation.r_offset)?;
            if let Value::Symbol { index, .. } = value(&relocation)? {
                symbols.undefined_name(index, &symbols.get(index)?)?;
            }
        }
        Ok(())
    }

    /// Gives each place and what belongs there.
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

/// What a relocation writes (x86-64 psABI, table 4.9).
fn value<'a>(relocation: &Rela) -> Result<Value, ImageError<'a>> {
    let &Rela { r_offset: address, r_sym: index, r_type: found, r_addend: addend } = relocation;
    match found {
        abi::R_X86_64_RELATIVE => Ok(Value::Base { addend }),
        abi::R_X86_64_64 => Ok(Value::Symbol { index, addend }),
        abi::R_X86_64_GLOB_DAT | abi::R_X86_64_JUMP_SLOT => Ok(Value::Symbol { index, addend: 0 }),
        _ => Err(ImageError::RelocationType { address, found }),
    }
}

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

/// A symbol's address: the driver's own, else the kernel's. An undefined weak symbol may have none, which is 0.
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

/// The name of a relocation type (x86-64 psABI, table 4.9).
pub(crate) fn type_name(found: u32) -> Option<&'static str> {
    let name = match found {
        abi::R_X86_64_NONE => "R_X86_64_NONE",
        abi::R_X86_64_64 => "R_X86_64_64",
        abi::R_X86_64_PC32 => "R_X86_64_PC32",
        abi::R_X86_64_GOT32 => "R_X86_64_GOT32",
        abi::R_X86_64_PLT32 => "R_X86_64_PLT32",
        abi::R_X86_64_COPY => "R_X86_64_COPY",
        abi::R_X86_64_GLOB_DAT => "R_X86_64_GLOB_DAT",
        abi::R_X86_64_JUMP_SLOT => "R_X86_64_JUMP_SLOT",
        abi::R_X86_64_RELATIVE => "R_X86_64_RELATIVE",
        abi::R_X86_64_GOTPCREL => "R_X86_64_GOTPCREL",
        abi::R_X86_64_32 => "R_X86_64_32",
        abi::R_X86_64_32S => "R_X86_64_32S",
        abi::R_X86_64_16 => "R_X86_64_16",
        abi::R_X86_64_PC16 => "R_X86_64_PC16",
        abi::R_X86_64_8 => "R_X86_64_8",
        abi::R_X86_64_PC8 => "R_X86_64_PC8",
        abi::R_X86_64_DTPMOD64 => "R_X86_64_DTPMOD64",
        abi::R_X86_64_DTPOFF64 => "R_X86_64_DTPOFF64",
        abi::R_X86_64_TPOFF64 => "R_X86_64_TPOFF64",
        abi::R_X86_64_PC64 => "R_X86_64_PC64",
        abi::R_X86_64_SIZE32 => "R_X86_64_SIZE32",
        abi::R_X86_64_SIZE64 => "R_X86_64_SIZE64",
        abi::R_X86_64_TLSDESC => "R_X86_64_TLSDESC",
        abi::R_X86_64_IRELATIVE => "R_X86_64_IRELATIVE",
        abi::R_X86_64_RELATIVE64 => "R_X86_64_RELATIVE64",
        _ => return None,
    };
    Some(name)
}
