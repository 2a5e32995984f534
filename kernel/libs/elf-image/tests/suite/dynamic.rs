//! Each reason to refuse a dynamic section, a relocation or a symbol: a driver is changed in one thing, and the error
//! names it.
use crate::builder::*;
use crate::memory::{BASE, load};
use crate::wrong::*;
use elf::abi::*;
use elf_image::{Image, ImageError, MAX_SYMBOL_NAME};

fn with_entry(tag: i64, value: u64) -> impl FnOnce(&mut Driver) {
    move |driver| driver.dynamic.push((tag, value))
}

fn with_relocation(address: u64, kind: u32, symbol: u32) -> impl FnOnce(&mut Driver) {
    move |driver| driver.relocations.push(Relocation { address, kind, symbol, addend: 0 })
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
        // In a gap, in the zeros after the file's bytes, and after the end.
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
    // Both tables begin with the number of buckets. The System V table continues with the number of symbols.
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
    assert_eq!(with_word(Hash::Gnu, 4, 100), gnu, "the first symbol, after the last chain");
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
    assert_eq!(both, library, "the library causes both");
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
    // In data, unaligned; at the end of a page; in zeros; and at the end of the segment.
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
    let refused = Err(ImageError::SymbolName { index: LOG });
    let named = |name: String| accepted(|driver| driver.symbols[0].name = name.leak());
    let relocated = |image: &Image<'static>| image.relocate(BASE, &mut |_| Some(1), &mut |_, _| {});
    assert_eq!(relocated(&named("x".repeat(MAX_SYMBOL_NAME + 1))), refused);
    assert_eq!(relocated(&named(String::new())), refused);
    let mut file = Driver::new().bytes();
    file[STRINGS as usize + 3] = 0xff;
    assert_eq!(relocated(&Image::parse(file.leak()).expect("accepted")), refused);
    let longest = accepted(|driver| driver.symbols[0].name = "x".repeat(MAX_SYMBOL_NAME).leak());
    assert!(load(&longest, |_| true).is_ok());
}

#[test]
fn an_unknown_symbol_is_named_on_one_line() {
    let image = accepted(|driver| driver.symbols[0].name = "Kernel_\n\u{1b}[31mRed");
    let error = image.relocate(BASE, &mut |_| None, &mut |_, _| {}).expect_err("unknown");
    assert_eq!(error.to_string(), "unknown symbol Kernel_\\n\\u{1b}[31mRed");
}

#[test]
fn an_unknown_symbol_in_the_last_relocations_is_named() {
    let image = accepted(|driver| driver.symbols[FUTURE as usize - 1].binding = STB_GLOBAL);
    let mut resolve = |name: &str| (name == "Kernel_Log").then_some(1);
    let error = image.relocate(BASE, &mut resolve, &mut |_, _| {}).expect_err("unknown");
    assert_eq!(error, ImageError::UnknownSymbol { name: "Kernel_FromTheFuture" });
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
