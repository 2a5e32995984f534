//! The kernel's functions by address, and the addresses that the plugin needs, from the kernel's ELF file.
use std::collections::BTreeMap;
use std::fs;

use boot::artifacts;
use elf::ElfBytes;
use elf::abi::STT_FUNC;
use elf::endian::LittleEndian;

/// Bytes from one stub of an interrupt vector to the next.
const STUB_SIZE: u64 = 16;
/// `inc dword ptr gs:[…]`, up to the address.
const COUNT_UP: [u8; 4] = [0x65, 0xff, 0x04, 0x25];

pub struct Kernel {
    functions: BTreeMap<u64, String>,
    code: Vec<u8>,
}

impl Kernel {
    pub fn read() -> Self {
        let file = fs::read(artifacts::kernel().unwrap()).unwrap();
        let elf = ElfBytes::<LittleEndian>::minimal_parse(&file).unwrap();
        let (symbols, names) = elf.symbol_table().unwrap().expect("the kernel has symbols");
        let functions = symbols.iter().filter(|symbol| symbol.st_symtype() == STT_FUNC).map(|symbol| {
            let name = names.get(symbol.st_name as usize).unwrap();
            (symbol.st_value, format!("{:#}", rustc_demangle::demangle(name)))
        });
        let text = elf.section_header_by_name(".text").unwrap().expect("the kernel has code");
        let (code, _) = elf.section_data(&text).unwrap();
        Self { functions: functions.collect(), code: code.to_vec() }
    }

    /// Returns the name of the function that an address lies in.
    pub fn name(&self, address: u64) -> &str {
        self.functions.range(..=address).next_back().map_or("?", |(_, name)| name)
    }

    /// Returns the address of the one function whose name contains `part`.
    pub fn function(&self, part: &str) -> u64 {
        let mut found = self.functions.iter().filter(|(_, name)| name.contains(part));
        let (address, _) = found.next().unwrap_or_else(|| panic!("the kernel has no function {part}"));
        assert!(found.next().is_none(), "the kernel has two functions {part}");
        *address
    }

    /// Returns the addresses at which the CPU enters the kernel by an interrupt, in the table that is for protection and in the other one.
    pub fn interrupt_entries(&self) -> Vec<u64> {
        let stubs = self.functions.iter().filter(|(_, name)| name.contains("interrupts::stubs"));
        let entries = stubs.flat_map(|(stubs, _)| {
            let first = stubs.next_multiple_of(STUB_SIZE);
            (0..256).map(move |vector| first + vector * STUB_SIZE)
        });
        entries.collect()
    }

    /// Returns the address, above GS, of the count of stretches without preemption: the one number that the kernel counts up
    /// there.
    pub fn preemption_count(&self) -> u32 {
        let calls = self.code.windows(8).filter(|bytes| bytes.starts_with(&COUNT_UP));
        let mut addresses = calls.map(|bytes| u32::from_le_bytes(bytes[4..].try_into().unwrap()));
        let address = addresses.next().expect("the kernel switches preemption off");
        assert!(addresses.all(|other| other == address), "the kernel counts up two numbers above GS");
        address
    }
}
