//! Builds a driver's file field by field, so that a test can make one field wrong.
//!
//! Addresses equal offsets in the file. Each table has a fixed address:
//!
//! ```text
//! 0x0000 headers    0x1000 symbols  0x2000 strings  0x2800 hash  0x3000 relocations  0x3800 calls    read
//! 0x4000 code                                                                                        read, execute
//! 0x5000 dynamic    0x5800 constants, read-only after relocation                                     read, write
//! 0x6000 data       0x6400 zeros     0x8400 end                                                      read, write
//! ```
use elf::abi::*;

pub const SYMBOLS: u64 = 0x1000;
pub const STRINGS: u64 = 0x2000;
pub const HASH: u64 = 0x2800;
pub const RELOCATIONS: u64 = 0x3000;
pub const CALLS: u64 = 0x3800;
pub const CODE: u64 = 0x4000;
pub const DYNAMIC: u64 = 0x5000;
pub const CONSTANTS: u64 = 0x5800;
pub const DATA: u64 = 0x6000;
pub const FILE_END: u64 = 0x6400;
pub const END: u64 = 0x8400;

/// A program header.
#[derive(Clone, Copy)]
pub struct Segment {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub address: u64,
    pub in_file: u64,
    pub in_memory: u64,
    pub alignment: u64,
}

impl Segment {
    /// Creates a segment from `start` to `end`, at the same offsets in the file.
    pub const fn new(kind: u32, flags: u32, start: u64, end: u64) -> Self {
        let length = end - start;
        Self {
            kind,
            flags,
            offset: start,
            address: start,
            in_file: length,
            in_memory: length,
            alignment: 4096,
        }
    }
}

/// A dynamic symbol.
#[derive(Clone)]
pub struct Symbol {
    pub name: &'static str,
    pub binding: u8,
    pub kind: u8,
    pub section: u16,
    pub value: u64,
}

impl Symbol {
    pub const fn undefined(name: &'static str, binding: u8) -> Self {
        Self { name, binding, kind: STT_NOTYPE, section: SHN_UNDEF, value: 0 }
    }

    pub const fn function(name: &'static str, value: u64) -> Self {
        Self { name, binding: STB_GLOBAL, kind: STT_FUNC, section: 1, value }
    }
}

/// A relocation.
#[derive(Clone, Copy, Debug)]
pub struct Relocation {
    pub address: u64,
    pub kind: u32,
    pub symbol: u32,
    pub addend: i64,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Hash {
    SystemV,
    Gnu,
}

/// The fields of a driver's file. [`Driver::new`] gives a driver that loads.
#[derive(Clone)]
pub struct Driver {
    pub class: u8,
    pub order: u8,
    pub version: u32,
    pub kind: u16,
    pub machine: u16,
    pub header_length: u16,
    pub sections_offset: u64,
    pub sections: u16,
    pub segments: Vec<Segment>,
    pub symbols: Vec<Symbol>,
    pub hash: Hash,
    /// Entries to add after those that locate the tables.
    pub dynamic: Vec<(i64, u64)>,
    /// Tags of dynamic entries to leave out.
    pub without: Vec<i64>,
    pub relocations: Vec<Relocation>,
    pub calls: Vec<Relocation>,
}

/// The indices of symbols in [`Driver::new`].
pub const LOG: u32 = 1;
pub const FUTURE: u32 = 2;
pub const INIT: u32 = 3;
pub const TABLE: u32 = 4;

impl Driver {
    pub fn new() -> Self {
        let relocation = |address, kind, symbol, addend| Relocation { address, kind, symbol, addend };
        let mut data = Segment::new(PT_LOAD, PF_R | PF_W, DYNAMIC, FILE_END);
        data.in_memory = END - DYNAMIC;
        Self {
            class: ELFCLASS64,
            order: ELFDATA2LSB,
            version: 1,
            kind: ET_DYN,
            machine: EM_X86_64,
            header_length: 56,
            sections_offset: 0,
            sections: 0,
            segments: vec![
                Segment::new(PT_LOAD, PF_R, 0, CODE),
                Segment::new(PT_LOAD, PF_R | PF_X, CODE, CODE + 0x100),
                data,
                Segment::new(PT_DYNAMIC, PF_R | PF_W, DYNAMIC, CONSTANTS),
                Segment::new(PT_GNU_RELRO, PF_R, DYNAMIC, DATA),
                Segment::new(PT_GNU_STACK, PF_R | PF_W, 0, 0),
            ],
            symbols: vec![
                Symbol::undefined("Kernel_Log", STB_GLOBAL),
                Symbol::undefined("Kernel_FromTheFuture", STB_WEAK),
                Symbol::function("Driver_Init", CODE + 0x10),
                Symbol { kind: STT_OBJECT, ..Symbol::function("table", DATA + 0x20) },
            ],
            hash: Hash::Gnu,
            dynamic: Vec::new(),
            without: Vec::new(),
            relocations: vec![
                relocation(CONSTANTS, R_X86_64_RELATIVE, 0, DATA as i64),
                relocation(CONSTANTS + 8, R_X86_64_64, LOG, 0),
                relocation(CONSTANTS + 16, R_X86_64_GLOB_DAT, FUTURE, 0),
                relocation(DATA, R_X86_64_64, TABLE, -8),
            ],
            calls: vec![relocation(CONSTANTS + 24, R_X86_64_JUMP_SLOT, LOG, 0)],
        }
    }

    /// Returns the file. Bytes outside of the tables depend on their offset, so that a test notices a wrong copy.
    pub fn bytes(&self) -> Vec<u8> {
        let mut file: Vec<u8> = (0..FILE_END).map(|at| (at / 7 + at / 4096) as u8 | 1).collect();
        let mut put = |at: u64, bytes: Vec<u8>| {
            let at = at as usize;
            file[at..at + bytes.len()].copy_from_slice(&bytes);
        };
        put(0, self.headers());
        let (symbols, strings) = self.symbol_table();
        put(DYNAMIC, self.dynamic_section(strings.len() as u64));
        put(SYMBOLS, symbols);
        put(STRINGS, strings);
        put(HASH, self.hash_table());
        put(RELOCATIONS, relocation_table(&self.relocations));
        put(CALLS, relocation_table(&self.calls));
        file
    }

    fn headers(&self) -> Vec<u8> {
        let mut out = vec![0x7f, b'E', b'L', b'F', self.class, self.order, 1];
        out.resize(16, 0);
        out.extend(self.kind.to_le_bytes());
        out.extend(self.machine.to_le_bytes());
        out.extend(self.version.to_le_bytes());
        for word in [0, 64, self.sections_offset] {
            out.extend(word.to_le_bytes());
        }
        out.extend(0u32.to_le_bytes());
        let counts = [64, self.header_length, self.segments.len() as u16, 64, self.sections, 0];
        out.extend(counts.into_iter().flat_map(u16::to_le_bytes));
        for segment in &self.segments {
            out.extend(segment.kind.to_le_bytes());
            out.extend(segment.flags.to_le_bytes());
            let Segment { offset, address, in_file, in_memory, alignment, .. } = *segment;
            for word in [offset, address, address, in_file, in_memory, alignment] {
                out.extend(word.to_le_bytes());
            }
        }
        out
    }

    fn dynamic_section(&self, strings: u64) -> Vec<u8> {
        let hash = if self.hash == Hash::Gnu { DT_GNU_HASH } else { DT_HASH };
        let mut entries = vec![
            (DT_SYMTAB, SYMBOLS),
            (DT_SYMENT, 24),
            (DT_STRTAB, STRINGS),
            (DT_STRSZ, strings),
            (hash, HASH),
            (DT_RELA, RELOCATIONS),
            (DT_RELASZ, 24 * self.relocations.len() as u64),
            (DT_RELAENT, 24),
            (DT_JMPREL, CALLS),
            (DT_PLTRELSZ, 24 * self.calls.len() as u64),
            (DT_PLTREL, DT_RELA as u64),
        ];
        entries.retain(|(tag, _)| !self.without.contains(tag));
        entries.extend(&self.dynamic);
        entries.push((DT_NULL, 0));
        entries
            .into_iter()
            .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()])
            .flatten()
            .collect()
    }

    fn symbol_table(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut table, mut strings) = (vec![0; 24], vec![0]);
        for symbol in &self.symbols {
            table.extend((strings.len() as u32).to_le_bytes());
            table.extend([symbol.binding << 4 | symbol.kind, 0]);
            table.extend(symbol.section.to_le_bytes());
            table.extend(symbol.value.to_le_bytes());
            table.extend(8u64.to_le_bytes());
            strings.extend(symbol.name.as_bytes());
            strings.push(0);
        }
        (table, strings)
    }

    /// Returns a table with one bucket: all symbols for System V, the defined ones (which come last) for GNU.
    fn hash_table(&self) -> Vec<u8> {
        let count = self.symbols.len() as u32;
        let words = match self.hash {
            Hash::SystemV => {
                let chain = (0..=count).map(|index| if index == 0 || index == count { 0 } else { index + 1 });
                [1, count + 1, 1].into_iter().chain(chain).collect()
            }
            Hash::Gnu => {
                let undefined = self.symbols.iter().take_while(|symbol| symbol.section == SHN_UNDEF);
                let first = 1 + undefined.count() as u32;
                let hashes = self.symbols[first as usize - 1..].iter().map(|symbol| {
                    let hash = elf::hash::gnu_hash(symbol.name.as_bytes());
                    hash & !1
                });
                let mut words =
                    vec![1, first, 1, 0, u32::MAX, u32::MAX, if first > count { 0 } else { first }];
                words.extend(hashes);
                if first <= count {
                    *words.last_mut().expect("not empty") |= 1;
                }
                words
            }
        };
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }
}

fn relocation_table(relocations: &[Relocation]) -> Vec<u8> {
    let entry = |relocation: &Relocation| {
        let info = u64::from(relocation.symbol) << 32 | u64::from(relocation.kind);
        [relocation.address.to_le_bytes(), info.to_le_bytes(), relocation.addend.to_le_bytes()]
    };
    relocations.iter().flat_map(entry).flatten().collect()
}
