//! An ELF file whose code is in memory.
use crate::function::Function;
use crate::registers::Registers;
use crate::unwind;
use elf::ElfBytes;
use elf::abi::{STT_FUNC, STT_NOTYPE};
use elf::endian::LittleEndian;
use gimli::{BaseAddresses, DebugFrame, EhFrame};

/// A section's address in the file, and its bytes.
type Section<'f> = (u64, &'f [u8]);

/// An ELF file whose code is in memory.
#[derive(Debug)]
pub struct CodeFile<'f> {
    elf: ElfBytes<'f, LittleEndian>,
    /// What is added to the file's addresses: where the code is, less where the file says that it is.
    base: u64,
}

impl<'f> CodeFile<'f> {
    /// Opens a file that has been loaded `base` bytes behind the addresses in it. Returns `None` if it is no ELF file.
    #[must_use]
    pub fn open(file: &'f [u8], base: u64) -> Option<Self> {
        Some(Self { elf: ElfBytes::minimal_parse(file).ok()?, base })
    }

    /// Returns the address in the file of an address in memory.
    #[must_use]
    pub const fn in_file(&self, address: u64) -> u64 {
        address.wrapping_sub(self.base)
    }

    /// Returns the function with this address in memory. A file without a table of symbols knows none.
    #[must_use]
    pub fn function(&self, address: u64) -> Option<Function<'f>> {
        let address = self.in_file(address);
        let (symbols, names) = self.elf.symbol_table().ok()??;
        let functions = symbols.iter().filter(|symbol| {
            let is_code = matches!(symbol.st_symtype(), STT_FUNC | STT_NOTYPE);
            is_code && !symbol.is_undefined() && address.wrapping_sub(symbol.st_value) < symbol.st_size
        });
        let symbol = functions.max_by_key(|symbol| symbol.st_value)?;
        let symbol_name = names.get(symbol.st_name as usize).ok()?;
        Some(Function { symbol: symbol_name, offset: address.wrapping_sub(symbol.st_value) })
    }

    /// Returns the registers of the caller of the function that contains `place`, an address in memory. `read` returns the 8 bytes of
    /// memory at an address.
    pub(crate) fn caller(
        &self,
        registers: &Registers,
        place: u64,
        read: impl Fn(u64) -> Option<u64>,
    ) -> Option<Registers> {
        let place = self.in_file(place);
        let in_image = self.section(".eh_frame").and_then(|(address, bytes)| {
            let bases = BaseAddresses::default().set_eh_frame(address);
            let mut table = EhFrame::new(bytes, gimli::LittleEndian);
            table.set_address_size(8);
            unwind::caller(&table, &bases, registers, place, &read)
        });
        in_image.or_else(|| {
            let mut table = DebugFrame::new(self.section(".debug_frame")?.1, gimli::LittleEndian);
            table.set_address_size(8);
            unwind::caller(&table, &BaseAddresses::default(), registers, place, &read)
        })
    }

    fn section(&self, name: &str) -> Option<Section<'f>> {
        let header = self.elf.section_header_by_name(name).ok()??;
        let (bytes, compression) = self.elf.section_data(&header).ok()?;
        compression.is_none().then_some((header.sh_addr, bytes))
    }
}
