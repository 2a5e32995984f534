//! Tests with arbitrary bytes: nothing panics, and an accepted image keeps the promises that `memory::load` checks.
use crate::builder::*;
use crate::compiler::compile;
use crate::memory::{BASE, kernel_address, load};
use elf::abi::*;
use elf_image::{Image, ImageError, PAGE_SIZE, Permissions};
use proptest::prelude::*;
use proptest::sample::Index;

/// Loads the file if it is accepted: once with every symbol known, once with none.
fn try_to_load(file: &[u8]) {
    let Ok(image) = Image::parse(file) else { return };
    let with_all = load(&image, |_| true);
    assert!(matches!(with_all, Ok(_) | Err(ImageError::SymbolName { .. })), "with every symbol known");
    if let Err(error) = load(&image, |_| false) {
        let is_of_symbol = matches!(error, ImageError::UnknownSymbol { .. } | ImageError::SymbolName { .. });
        assert!(is_of_symbol, "{error}");
    }
    if let Some(entry) = image.symbol("Driver_Init") {
        let page = image.page(entry as usize / PAGE_SIZE).expect("a mapped page");
        assert_eq!(page.permissions, Permissions::ReadExecute);
    }
}

/// Generates changes to a file: each is a place, a value, and a width in bytes.
fn changes() -> impl Strategy<Value = Vec<(Index, u64, usize)>> {
    let value = prop_oneof![
        any::<u64>(),
        (0..64u32).prop_map(|bit| 1 << bit),
        (0..64u32).prop_map(|bit| u64::MAX >> bit),
        0..0x9000u64,
    ];
    let width = prop_oneof![Just(1usize), Just(2), Just(4), Just(8)];
    prop::collection::vec((any::<Index>(), value, width), 1..6)
}

/// Returns the offsets in a built driver that have a meaning: headers, dynamic section and tables.
fn places() -> Vec<usize> {
    let parts = [(0, 64 + 56 * 6), (DYNAMIC, 16 * 16), (SYMBOLS, 24 * 5), (STRINGS, 80), (HASH, 48)];
    let tables = [(RELOCATIONS, 24 * 4), (CALLS, 24)];
    let all = parts.into_iter().chain(tables);
    all.flat_map(|(start, length)| (start..start + length).map(|at| at as usize)).collect()
}

fn put(file: &mut [u8], at: usize, value: u64, width: usize) {
    let bytes = value.to_le_bytes();
    for (to, from) in file[at..].iter_mut().zip(&bytes[..width]) {
        *to = *from;
    }
}

/// Generates a segment's length in the file, its length in memory, and the number of free pages before it.
fn lengths() -> impl Strategy<Value = (u64, u64, u64)> {
    (0..0x2800u64, 1..0x2800u64, 0..3u64).prop_map(|(file, more, gap)| (file, file + more, gap))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(file in prop::collection::vec(any::<u8>(), 0..2000)) {
        try_to_load(&file);
    }

    #[test]
    fn any_bytes_after_a_valid_file_header_are_survived(
        body in prop::collection::vec(any::<u8>(), 0..3000),
        headers in 0..12u16,
    ) {
        let mut file = Driver::new().bytes();
        file.truncate(64);
        file[56..58].copy_from_slice(&headers.to_le_bytes());
        file.extend(body);
        try_to_load(&file);
    }

    #[test]
    fn a_driver_with_a_few_fields_changed_is_survived(changes in changes(), gnu in any::<bool>()) {
        let driver = Driver { hash: if gnu { Hash::Gnu } else { Hash::SystemV }, ..Driver::new() };
        let mut file = driver.bytes();
        let places = places();
        for (place, value, width) in changes {
            put(&mut file, places[place.index(places.len())], value, width);
        }
        try_to_load(&file);
    }

    #[test]
    fn relocations_write_what_they_say_and_nothing_else(
        relocations in prop::collection::vec((0..0x3400u64, 0..4usize, 1..5u32, any::<i64>()), 0..60),
    ) {
        let kinds = [R_X86_64_RELATIVE, R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT];
        // Outside of the dynamic section, at whole words, each address once.
        let mut driver = Driver::new();
        driver.relocations.clear();
        driver.calls.clear();
        let mut taken = std::collections::BTreeSet::new();
        for (place, kind, symbol, addend) in relocations {
            let address = DYNAMIC + place / 8 * 8;
            if address >= DYNAMIC + 0x200 && taken.insert(address) {
                driver.relocations.push(Relocation { address, kind: kinds[kind], symbol, addend });
            }
        }
        let file = driver.bytes();
        let image = Image::parse(&file).expect("accepted");
        let memory = load(&image, |name| name == "Kernel_Log").expect("relocated");
        prop_assert_eq!(memory.written.len(), driver.relocations.len());
        for relocation in &driver.relocations {
            let symbol = match relocation.symbol {
                LOG => kernel_address("Kernel_Log"),
                FUTURE => 0,
                INIT => BASE + CODE + 0x10,
                _ => BASE + DATA + 0x20,
            };
            let value = match relocation.kind {
                R_X86_64_RELATIVE => BASE.wrapping_add_signed(relocation.addend),
                R_X86_64_64 => symbol.wrapping_add_signed(relocation.addend),
                _ => symbol,
            };
            prop_assert_eq!(memory.word(relocation.address), value, "{:?}", relocation);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn memory_holds_the_segments_bytes_and_zeros_elsewhere(
        more in prop::collection::vec((lengths(), 0..3usize, 0..0x1000u64), 1..8),
    ) {
        // Adds segments to a driver that loads, each with some of the file's bytes.
        let mut driver = Driver::new();
        let mut end = END;
        for ((in_file, in_memory, gap), flags, within) in more {
            let address = end.next_multiple_of(4096) + gap * 4096 + within;
            end = address + in_memory;
            let flags = [PF_R, PF_R | PF_W, PF_R | PF_X][flags];
            let in_file = in_file.min(FILE_END - within);
            driver.segments.push(Segment { offset: within, in_file, ..Segment::new(PT_LOAD, flags, address, end) });
        }
        let file = driver.bytes();
        let mut expected = vec![0; end.next_multiple_of(4096) as usize];
        let mut mapped = vec![false; expected.len() / PAGE_SIZE];
        for segment in driver.segments.iter().filter(|segment| segment.kind == PT_LOAD) {
            let (to, from, length) = (segment.address as usize, segment.offset as usize, segment.in_file as usize);
            expected[to..to + length].copy_from_slice(&file[from..from + length]);
            let pages = to / PAGE_SIZE..(to + segment.in_memory as usize).div_ceil(PAGE_SIZE);
            mapped[pages].fill(true);
        }

        let image = Image::parse(&file).expect("accepted");
        prop_assert_eq!(image.page_count(), mapped.len());
        for (index, expected) in expected.chunks(PAGE_SIZE).enumerate() {
            let mut page = [0xee; PAGE_SIZE];
            image.fill_page(index, &mut page);
            prop_assert!(page == expected, "page {index}");
            prop_assert_eq!(image.page(index).is_some(), mapped[index]);
        }
    }
}

#[test]
fn a_compiled_driver_with_any_byte_changed_is_survived() {
    let Some(file) = compile("examples", "hello", &[]) else { return };
    // Everything except section headers, debug symbols and the padding between segments.
    let interesting = (0..0x400).chain(0x2e00..0x3000usize.min(file.len()));
    for at in interesting {
        for value in [0, 1, 0x7f, 0x80, 0xff, file[at] ^ 1, file[at].wrapping_add(8)] {
            let mut file = file.clone();
            file[at] = value;
            try_to_load(&file);
        }
    }
}
