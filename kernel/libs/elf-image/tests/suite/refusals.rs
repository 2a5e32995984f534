//! Each reason to refuse a file: a driver that loads is made wrong in one thing, and that thing is named.
use crate::builder::*;
use crate::memory::{BASE, kernel_address, load};
use elf::abi::*;
use elf_image::{Image, ImageError, MAX_IMAGE_BYTES, MAX_SEGMENTS, MAX_SYMBOL_NAME, PAGE_SIZE, Permissions};

const TEXT: usize = 1;
const WRITABLE: usize = 2;
const RELRO: usize = 4;
const STACK: usize = 5;

fn changed(change: impl FnOnce(&mut Driver)) -> &'static [u8] {
    let mut driver = Driver::new();
    change(&mut driver);
    driver.bytes().leak()
}

/// Why a driver with this change is refused. That its text is one line is looked at in passing.
fn refused(change: impl FnOnce(&mut Driver)) -> ImageError<'static> {
    let error = Image::parse(changed(change)).expect_err("refused");
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
    error
}

fn accepted(change: impl FnOnce(&mut Driver)) -> Image<'static> {
    Image::parse(changed(change)).expect("accepted")
}

fn with_entry(tag: i64, value: u64) -> impl FnOnce(&mut Driver) {
    move |driver| driver.dynamic.push((tag, value))
}

fn with_relocation(address: u64, kind: u32, symbol: u32) -> impl FnOnce(&mut Driver) {
    move |driver| driver.relocations.push(Relocation { address, kind, symbol, addend: 0 })
}

#[test]
fn the_driver_that_is_made_wrong_below_loads_as_it_is() {
    for hash in [Hash::Gnu, Hash::SystemV] {
        let image = accepted(|driver| driver.hash = hash);
        let memory = load(&image, |name| name == "Kernel_Log").expect("relocated");
        assert_eq!(memory.word(CONSTANTS), BASE + DATA);
        assert_eq!(memory.word(CONSTANTS + 8), kernel_address("Kernel_Log"));
        assert_eq!(memory.word(CONSTANTS + 16), 0, "a weak symbol");
        assert_eq!(memory.word(CONSTANTS + 24), kernel_address("Kernel_Log"));
        assert_eq!(memory.word(DATA), BASE + DATA + 0x20 - 8);
        assert_eq!(image.symbol("Driver_Init"), Some(CODE + 0x10));
        assert_eq!(image.page_count() as u64, END.div_ceil(4096));
        let permissions: Vec<_> =
            (0..image.page_count()).map(|index| image.page(index).map(|page| page.permissions)).collect();
        use Permissions::{Read, ReadExecute, ReadWrite};
        let expected = [Read, Read, Read, Read, ReadExecute, Read, ReadWrite, ReadWrite, ReadWrite];
        assert_eq!(permissions, expected.map(Some));
    }
}

#[test]
fn what_is_not_elf() {
    for file in [&b""[..], b"\x7fEL", b"#!/bin/sh\n", &[0; 4096]] {
        assert_eq!(Image::parse(file).err(), Some(ImageError::NotElf));
    }
}

#[test]
fn another_class_order_version_type_or_machine() {
    assert_eq!(refused(|driver| driver.class = 1), ImageError::Not64Bit);
    assert_eq!(refused(|driver| driver.class = 7), ImageError::Not64Bit);
    assert_eq!(refused(|driver| driver.order = 2), ImageError::NotLittleEndian);
    assert_eq!(refused(|driver| driver.version = 2), ImageError::Version { found: 2 });
    assert_eq!(refused(|driver| driver.kind = ET_REL), ImageError::FileType { found: ET_REL });
    assert_eq!(refused(|driver| driver.machine = EM_386), ImageError::Machine { found: EM_386 });
    assert_eq!(
        refused(|driver| driver.machine = 0xfff0).to_string(),
        "wrong machine 65520, unknown, not x86_64"
    );
    assert_eq!(refused(|driver| driver.header_length = 64), ImageError::ProgramHeaderLength { found: 64 });
}

#[test]
fn a_file_that_ends_before_what_its_headers_promise() {
    let end = refused(|driver| driver.segments[WRITABLE].in_file += 1);
    assert_eq!(end, ImageError::CutShort { needed: FILE_END + 1, length: FILE_END });
    let sections = refused(|driver| (driver.sections_offset, driver.sections) = (FILE_END, 2));
    assert_eq!(sections, ImageError::CutShort { needed: FILE_END + 128, length: FILE_END });
    let far = refused(|driver| {
        driver.segments[TEXT].offset = u64::MAX - 0xfff;
    });
    assert_eq!(far, ImageError::CutShort { needed: u64::MAX - 0xeff, length: FILE_END });
}

#[test]
fn no_segment_or_too_many() {
    assert_eq!(refused(|driver| driver.segments.clear()), ImageError::NoSegments);
    assert_eq!(refused(|driver| driver.segments.drain(..3).for_each(drop)), ImageError::NoSegments);
    let many = |count: usize| {
        move |driver: &mut Driver| {
            let start = END.next_multiple_of(4096);
            let pages = (0..count as u64 - 3).map(|page| start + page * 4096);
            driver.segments.extend(pages.map(|page| Segment {
                offset: 0,
                in_file: 0,
                ..Segment::new(PT_LOAD, PF_R, page, page + 1)
            }));
        }
    };
    accepted(many(MAX_SEGMENTS));
    assert_eq!(refused(many(MAX_SEGMENTS + 1)), ImageError::TooManySegments);
}

#[test]
fn segments_that_overlap_share_a_page_or_are_out_of_order() {
    let overlapping = refused(|driver| driver.segments[TEXT].in_memory = 0x1001);
    assert_eq!(overlapping, ImageError::SegmentOrder { address: DYNAMIC });
    let sharing = Segment::new(PT_LOAD, PF_R, CODE + 0x800, CODE + 0x900);
    let shared = refused(|driver| driver.segments.insert(TEXT + 1, sharing));
    assert_eq!(shared, ImageError::SegmentOrder { address: CODE + 0x800 });
    let swapped = refused(|driver| driver.segments.swap(0, 1));
    assert_eq!(swapped, ImageError::SegmentOrder { address: 0 });
}

#[test]
fn a_segment_with_a_wrong_alignment_place_or_length() {
    let alignment = |alignment| move |driver: &mut Driver| driver.segments[TEXT].alignment = alignment;
    let wrong = |alignment| ImageError::SegmentAlignment { address: CODE, alignment };
    assert_eq!(refused(alignment(8192)), wrong(8192));
    assert_eq!(refused(alignment(48)), wrong(48));
    for good in [0, 1, 16, 4096] {
        accepted(alignment(good));
    }
    let place = refused(|driver| driver.segments[TEXT].offset += 16);
    assert_eq!(place, ImageError::SegmentPlace { address: CODE });
    let length = refused(|driver| driver.segments[TEXT].in_memory -= 1);
    assert_eq!(length, ImageError::SegmentLength { address: CODE });
}

#[test]
fn an_image_that_asks_for_more_memory_than_a_driver_gets() {
    let limit = |end: u64| move |driver: &mut Driver| driver.segments[WRITABLE].in_memory = end - DYNAMIC;
    assert_eq!(accepted(limit(MAX_IMAGE_BYTES)).page_count(), 16384);
    assert_eq!(refused(limit(MAX_IMAGE_BYTES + 1)), ImageError::TooLarge { address: DYNAMIC });
    assert_eq!(
        refused(|driver| driver.segments[WRITABLE].in_memory = u64::MAX),
        ImageError::TooLarge { address: DYNAMIC }
    );
    assert_eq!(
        refused(|driver| driver.segments[WRITABLE].address = 1 << 63),
        ImageError::TooLarge { address: 1 << 63 }
    );
}

#[test]
fn a_segment_that_is_written_and_executed() {
    let error = refused(|driver| driver.segments[TEXT].flags |= PF_W);
    assert_eq!(error, ImageError::WritableCode { address: CODE });
}

#[test]
fn what_a_kernel_does_not_give() {
    let with = |kind, flags| {
        move |driver: &mut Driver| driver.segments.push(Segment::new(kind, flags, 0x100, 0x120))
    };
    assert_eq!(refused(with(PT_INTERP, PF_R)), ImageError::Interpreter);
    assert_eq!(refused(with(PT_TLS, PF_R)), ImageError::ThreadLocalStorage);
    assert_eq!(refused(|driver| driver.segments[STACK].flags |= PF_X), ImageError::ExecutableStack);
    accepted(with(PT_NOTE, PF_R));
}

#[test]
fn relro_that_is_not_in_writable_memory_or_comes_twice() {
    let place = refused(|driver| driver.segments[RELRO].address = CODE);
    assert_eq!(place, ImageError::RelroPlace { address: CODE });
    let length = refused(|driver| driver.segments[RELRO].in_memory = u64::MAX);
    assert_eq!(length, ImageError::RelroPlace { address: DYNAMIC });
    let twice = refused(|driver| driver.segments.push(driver.segments[RELRO]));
    assert_eq!(twice, ImageError::Repeated { segment: PT_GNU_RELRO });
}

#[test]
fn relro_that_ends_within_a_page_leaves_that_page_writable() {
    let image = accepted(|driver| driver.segments[RELRO].in_memory -= 8);
    let page = image.page(DYNAMIC as usize / PAGE_SIZE).expect("mapped");
    assert_eq!(page.permissions, Permissions::ReadWrite);
}

#[test]
fn a_dynamic_section_that_is_missing_or_there_twice() {
    assert_eq!(refused(|driver| driver.segments.retain(|segment| segment.kind != PT_DYNAMIC)), {
        ImageError::NoDynamicSection
    });
    let twice = refused(|driver| driver.segments.push(driver.segments[3]));
    assert_eq!(twice, ImageError::Repeated { segment: PT_DYNAMIC });
}

#[test]
fn a_dynamic_entry_that_is_missing_outside_of_the_file_or_of_a_wrong_length() {
    for tag in [DT_SYMTAB, DT_STRTAB, DT_GNU_HASH, DT_RELA, DT_JMPREL] {
        let error = refused(|driver| driver.without.push(tag));
        let reported = if tag == DT_GNU_HASH { DT_HASH } else { tag };
        assert_eq!(error, ImageError::DynamicEntry { tag: reported });
        // In a gap, among the zeros behind the file's bytes, and behind the end.
        for outside in [CODE + 0x800, FILE_END, END, u64::MAX] {
            assert_eq!(refused(with_entry(tag, outside)), ImageError::DynamicEntry { tag });
        }
    }
    assert_eq!(refused(with_entry(DT_STRSZ, CODE)), ImageError::DynamicEntry { tag: DT_STRTAB });
    assert_eq!(refused(with_entry(DT_RELASZ, 25)), ImageError::DynamicEntry { tag: DT_RELA });
    assert_eq!(refused(with_entry(DT_RELASZ, 24 << 20)), ImageError::DynamicEntry { tag: DT_RELA });
    assert_eq!(refused(with_entry(DT_RELASZ, u64::MAX)), ImageError::DynamicEntry { tag: DT_RELA });
    assert_eq!(refused(with_entry(DT_SYMENT, 16)), ImageError::DynamicEntry { tag: DT_SYMENT });
    assert_eq!(refused(with_entry(DT_RELAENT, 16)), ImageError::DynamicEntry { tag: DT_RELAENT });
    assert_eq!(refused(with_entry(DT_SYMENT, 0)).to_string(), "dynamic entry DT_SYMENT is missing or wrong");
}

#[test]
fn hash_tables_that_promise_more_than_the_file_has() {
    // The tables' first word is the number of buckets; for the System V table the second is the number of symbols.
    let with_word = |hash, at: u64, value: u32| {
        let mut file = changed(|driver| driver.hash = hash).to_vec();
        let at = (HASH + at) as usize;
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        Image::parse(file.leak()).err()
    };
    let gnu = Some(ImageError::DynamicEntry { tag: DT_GNU_HASH });
    assert_eq!(with_word(Hash::Gnu, 0, u32::MAX), gnu, "buckets");
    assert_eq!(with_word(Hash::Gnu, 8, u32::MAX), gnu, "bloom words");
    assert_eq!(with_word(Hash::Gnu, 24, u32::MAX), gnu, "the last chain's first symbol");
    assert_eq!(with_word(Hash::Gnu, 4, 100), gnu, "the first symbol, behind the last chain");
    let system_v = Some(ImageError::DynamicEntry { tag: DT_HASH });
    assert_eq!(with_word(Hash::SystemV, 4, u32::MAX), system_v, "symbols");
}

#[test]
fn a_library_constructors_and_relocated_code() {
    let library = refused(with_entry(DT_NEEDED, 1));
    assert_eq!(library, ImageError::Library { name: "Kernel_Log" }, "the first string");
    assert_eq!(refused(with_entry(DT_NEEDED, u64::MAX)), ImageError::Library { name: "?" });
    for tag in [DT_INIT, DT_FINI, DT_INIT_ARRAYSZ, DT_FINI_ARRAYSZ, DT_PREINIT_ARRAYSZ] {
        assert_eq!(refused(with_entry(tag, 8)), ImageError::Constructors { tag });
        accepted(with_entry(tag, 0));
    }
    let both = refused(|driver| driver.dynamic.extend([(DT_INIT, 8), (DT_NEEDED, 1)]));
    assert_eq!(both, library, "the cause of both");
    assert_eq!(refused(with_entry(DT_TEXTREL, 0)), ImageError::RelocatedCode);
    assert_eq!(refused(with_entry(DT_FLAGS, 4)), ImageError::RelocatedCode);
    accepted(with_entry(DT_FLAGS, 8));
}

#[test]
fn relocations_in_another_form_are_refused_by_name() {
    for (tag, name) in [(DT_REL, "DT_REL"), (DT_RELSZ, "DT_REL"), (36, "DT_RELR"), (35, "DT_RELR")] {
        let text = refused(with_entry(tag, 24)).to_string();
        assert_eq!(text, format!("relocations in the form {name} are not read"));
    }
    assert_eq!(refused(with_entry(DT_PLTREL, DT_REL as u64)), ImageError::RelocationForm { tag: DT_PLTREL });
}

#[test]
fn every_relocation_type_but_four_is_refused_by_name() {
    let supported = [R_X86_64_RELATIVE, R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT];
    for found in (0..64).chain([u32::MAX]).filter(|kind| !supported.contains(kind)) {
        let error = refused(with_relocation(DATA + 16, found, 0));
        assert_eq!(error, ImageError::RelocationType { address: DATA + 16, found });
    }
    for kind in supported {
        accepted(with_relocation(DATA + 16, kind, TABLE));
    }
    let text = refused(with_relocation(DATA, R_X86_64_TPOFF64, 0)).to_string();
    assert_eq!(text, "relocation type 18 (R_X86_64_TPOFF64) at 0x6000 is not supported");
}

#[test]
fn relocations_outside_of_writable_memory_or_across_pages() {
    for address in [0, SYMBOLS, CODE, CODE + 0x800, END - 7, END, u64::MAX, u64::MAX - 7] {
        let error = refused(with_relocation(address, R_X86_64_RELATIVE, 0));
        assert_eq!(error, ImageError::RelocationPlace { address });
    }
    for address in [DATA - 7, DATA - 1, 0x7ffc] {
        let error = refused(with_relocation(address, R_X86_64_RELATIVE, 0));
        assert_eq!(error, ImageError::RelocationAcrossPages { address });
    }
    // In data, unaligned, at the end of a page, in zeros and at the very end.
    for address in [DATA + 1, DATA - 8, FILE_END, END - 8] {
        let memory =
            load(&accepted(with_relocation(address, R_X86_64_RELATIVE, 0)), |_| true).expect("loads");
        assert_eq!(memory.word(address), BASE);
    }
}

#[test]
fn relocations_with_a_symbol_that_is_not_there_or_cannot_have_an_address() {
    let index = 1 << 24;
    assert_eq!(refused(with_relocation(DATA, R_X86_64_64, index)), ImageError::SymbolIndex { index });
    for found in [STT_GNU_IFUNC, STT_TLS, STT_FILE] {
        let error = refused(|driver| driver.symbols[LOG as usize - 1].kind = found);
        assert_eq!(error, ImageError::SymbolType { index: LOG, found });
    }
}

#[test]
fn symbol_names_that_are_too_long_empty_or_no_text() {
    let named = |name: String| refused(|driver| driver.symbols[0].name = name.leak());
    assert_eq!(named("x".repeat(MAX_SYMBOL_NAME + 1)), ImageError::SymbolName { index: LOG });
    assert_eq!(named(String::new()), ImageError::SymbolName { index: LOG });
    let mut file = Driver::new().bytes();
    file[STRINGS as usize + 3] = 0xff;
    assert_eq!(Image::parse(&file).err(), Some(ImageError::SymbolName { index: LOG }));
    let longest = accepted(|driver| driver.symbols[0].name = "x".repeat(MAX_SYMBOL_NAME).leak());
    assert!(load(&longest, |_| true).is_ok());
}

#[test]
fn an_unknown_symbol_is_named_fit_for_a_log_line_and_nothing_is_written() {
    let image = accepted(|driver| driver.symbols[0].name = "Kernel_\n\u{1b}[31mRed");
    let mut writes = 0;
    let error = image.relocate(BASE, &mut |_| None, &mut |_, _| writes += 1).expect_err("unknown");
    assert_eq!(error.to_string(), "unknown symbol Kernel_\\n\\u{1b}[31mRed");
    assert_eq!(writes, 0);
}

#[test]
fn the_last_unknown_symbol_of_many_also_keeps_all_from_being_written() {
    let image = accepted(|driver| driver.symbols[FUTURE as usize - 1].binding = STB_GLOBAL);
    let mut writes = 0;
    let mut resolve = |name: &str| (name == "Kernel_Log").then_some(1);
    let error = image.relocate(BASE, &mut resolve, &mut |_, _| writes += 1).expect_err("unknown");
    assert_eq!(error, ImageError::UnknownSymbol { name: "Kernel_FromTheFuture" });
    assert_eq!(writes, 0);
}

#[test]
fn an_absolute_symbol_keeps_its_value() {
    let image = accepted(|driver| driver.symbols[TABLE as usize - 1].section = SHN_ABS);
    let memory = load(&image, |_| true).expect("loads");
    assert_eq!(memory.word(DATA), DATA + 0x20 - 8);
}

#[test]
fn an_entry_is_an_exported_function_in_executable_memory() {
    let init = |change: fn(&mut Symbol)| {
        accepted(|driver| change(&mut driver.symbols[INIT as usize - 1])).symbol("Driver_Init")
    };
    assert_eq!(init(|_| ()), Some(CODE + 0x10));
    assert_eq!(init(|symbol| symbol.kind = STT_NOTYPE), Some(CODE + 0x10));
    assert_eq!(init(|symbol| symbol.kind = STT_OBJECT), None);
    assert_eq!(init(|symbol| symbol.value = DATA), None);
    assert_eq!(init(|symbol| symbol.value = CODE + 0x100), None);
    assert_eq!(init(|symbol| symbol.value = u64::MAX), None);
    assert_eq!(init(|symbol| symbol.name = "Driver_Initialize"), None);
    assert_eq!(init(|symbol| symbol.name = "Driver_Ini"), None);
    let undefined = accepted(|driver| {
        driver.hash = Hash::SystemV;
        driver.symbols[LOG as usize - 1].value = CODE;
    });
    assert_eq!(undefined.symbol("Kernel_Log"), None);
}

#[test]
fn a_driver_that_exports_nothing_loads_and_has_no_entry() {
    let image = accepted(|driver| {
        driver.symbols.truncate(FUTURE as usize);
        driver.relocations.retain(|relocation| relocation.symbol <= FUTURE);
    });
    assert!(load(&image, |_| true).is_ok());
    assert_eq!(image.symbol("Driver_Init"), None);
}
