//! Tests with compiled drivers: those that load, and those that are refused.
use crate::compiler::{build_rust, compile, compile_as, drivers};
use crate::memory::{BASE, kernel_address, load};
use elf_image::{Image, ImageError, PAGE_SIZE, Permissions};

/// Returns why a test driver is refused, or `None` if there is no compiler.
fn refusal(name: &str, flags: &[&str]) -> Option<String> {
    let file = compile("tests", name, flags)?;
    let image = Image::parse(&file);
    let result = image.and_then(|image| load(&image, |name| name != "Kernel_NoSuchThing"));
    Some(result.err().expect("the driver is refused").to_string())
}

fn assert_refused(name: &str, reason: &str) {
    if let Some(found) = refusal(name, &["-Wl,-z,notext"]) {
        assert!(found.contains(reason), "{found}");
    }
}

#[test]
fn every_example_loads_and_has_an_entry() {
    for name in drivers("examples") {
        let Some(file) = compile("examples", &name, &[]) else { return };
        let image = Image::parse(&file).expect("accepted");
        load(&image, |_| true).expect("relocated");
        let entry = image.symbol("Driver_Init").expect("an entry");
        let page = image.page(entry as usize / PAGE_SIZE).expect("mapped");
        assert_eq!(page.permissions, Permissions::ReadExecute);
    }
}

#[test]
fn a_driver_in_rust_loads_and_exports_its_entries_alone() {
    let Some(file) = build_rust() else { return };
    let image = Image::parse(&file).expect("accepted");
    load(&image, |name| name.starts_with("Kernel_")).expect("it needs nothing but the kernel");
    assert!(image.symbol("Driver_Init").is_some());
    assert!(image.symbol("Driver_Exit").is_some());
    assert_eq!(image.symbol("memcpy"), None);
}

#[test]
fn a_driver_loads_with_each_layout_that_linkers_make() {
    let layouts: [&[&str]; 7] = [
        &["-Wl,-z,noseparate-code"],
        &["-Wl,-z,norelro"],
        &["-Wl,-z,lazy"],
        &["-Wl,--hash-style=sysv"],
        &["-Wl,--hash-style=both"],
        &["-s"],
        &["-O0", "-g"],
    ];
    for flags in layouts {
        let Some(file) = compile("examples", "numa_probe", flags) else { return };
        let image = Image::parse(&file).unwrap_or_else(|error| panic!("{flags:?}: {error}"));
        load(&image, |_| true).expect("relocated");
        assert!(image.symbol("Driver_Init").is_some(), "{flags:?}");
    }
}

#[test]
fn a_table_of_exports_holds_their_addresses_and_becomes_read_only() {
    let Some(file) = compile("tests", "all_exports", &[]) else { return };
    let image = Image::parse(&file).expect("accepted");
    let mut names = Vec::new();
    let resolve = &mut |name: &str| {
        names.push(name.to_owned());
        Some(kernel_address(name))
    };
    image.relocate(BASE, resolve, &mut |_, _| {}).expect("relocated");
    names.sort();
    names.dedup();
    assert!(names.len() > 30, "{names:?}");

    let memory = load(&image, |_| true).expect("relocated");
    let mut found: Vec<u64> = memory.written.iter().map(|&address| memory.word(address)).collect();
    let mut expected: Vec<u64> = names.iter().map(|name| kernel_address(name)).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for address in memory.written {
        let page = image.page(address as usize / PAGE_SIZE).expect("mapped");
        assert_eq!(page.permissions, Permissions::Read, "{address:#x}");
    }
}

#[test]
fn a_weak_symbol_that_is_not_exported_is_zero() {
    let Some(file) = compile("tests", "weak_symbol", &[]) else { return };
    let image = Image::parse(&file).expect("accepted");
    let memory = load(&image, |_| false).expect("relocated without it");
    assert_eq!(memory.word(memory.written[0]), 0);
    let memory = load(&image, |_| true).expect("relocated");
    assert_eq!(memory.word(memory.written[0]), kernel_address("Kernel_FromTheFuture"));
}

#[test]
fn an_unknown_symbol_is_named() {
    let Some(file) = compile("tests", "unknown_symbol", &[]) else { return };
    let image = Image::parse(&file).expect("accepted");
    let result = image.relocate(BASE, &mut |_| None, &mut |_, _| {});
    assert_eq!(result, Err(ImageError::UnknownSymbol { name: "Kernel_NoSuchThing" }));
    assert_refused("unknown_symbol", "unknown symbol Kernel_NoSuchThing");
}

#[test]
fn a_driver_without_driver_init_has_no_such_symbol() {
    let Some(file) = compile("tests", "no_init", &[]) else { return };
    let image = Image::parse(&file).expect("accepted");
    assert_eq!(image.symbol("Driver_Init"), None);
    assert!(image.symbol("Driver_Exit").is_some());
}

#[test]
fn each_driver_that_asks_for_too_much_is_refused_with_its_reason() {
    assert_refused("writable_code", "is both writable and executable");
    assert_refused("relocated_code", "relocates its code");
    assert_refused("constructor", "DT_INIT_ARRAYSZ");
    assert_refused("thread_local", "thread-local storage");
}

#[test]
fn a_program_and_a_driver_that_needs_a_library_are_refused() {
    let Some(program) = compile_as("-pie", "tests", "refusing", &["-Wl,-e,Driver_Init"]) else { return };
    assert_eq!(Image::parse(&program).err(), Some(ImageError::Interpreter));
    let executable = compile_as("-static", "tests", "refusing", &["-Wl,-e,Driver_Init"]).expect("as before");
    assert_eq!(Image::parse(&executable).err(), Some(ImageError::FileType { found: 2 }));
    let linked = compile("tests", "refusing", &["-Wl,--no-as-needed", "-lc"]).expect("as before");
    let error = Image::parse(&linked).expect_err("refused");
    assert_eq!(error, ImageError::Library { name: "libc.so.6" });
    assert_eq!(error.to_string(), "needs the library libc.so.6");
}

#[test]
fn a_driver_that_is_cut_anywhere_is_refused_as_cut_short() {
    let Some(file) = compile("examples", "hello", &[]) else { return };
    for length in 4..file.len() {
        match Image::parse(&file[..length]) {
            Err(ImageError::CutShort { needed, length: found }) => {
                assert!(needed > found && found == length as u64);
            }
            other => panic!("cut to {length} of {} bytes: {other:?}", file.len()),
        }
    }
}

#[test]
fn a_driver_for_another_machine_is_refused_by_its_name() {
    let Some(mut file) = compile("examples", "hello", &[]) else { return };
    file[18..20].copy_from_slice(&183u16.to_le_bytes());
    let error = Image::parse(&file).expect_err("refused");
    assert_eq!(error.to_string(), "wrong machine 183, ARM 64-bit architecture (AARCH64), not x86_64");
}
