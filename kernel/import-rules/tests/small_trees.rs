//! Small repositories that break one rule each: the violation is named with its file and line.
use std::fs;
use std::path::{Path, PathBuf};

use import_rules::Violation;

const DOCUMENT: &str = "\
# Rules

```imports
arch:
cpu: arch
memory: arch cpu
exports: arch cpu memory
```

| crate | depends on | unsafe code |
|---|---|---|
| `units` | | forbidden |
| `page-alloc` | `units` | over its caller's memory |
| `kernel` | all of the above | where it touches the machine |
";

/// What a repository without a violation holds.
const SOUND: &[(&str, &str)] = &[
    ("docs/architecture.md", DOCUMENT),
    ("kernel/src/main.rs", "mod arch; mod cpu; mod memory; use memory::stack; pub fn late() {}"),
    ("kernel/src/arch/mod.rs", "mod x86_64;\npub use self::x86_64::*;\n"),
    ("kernel/src/arch/x86_64/mod.rs", "mod port;\npub use port::Port;\n"),
    (
        "kernel/src/arch/x86_64/port.rs",
        "use x86_64::instructions;\npub struct Port;\nfn f() { core::arch::asm!(\"hlt\") }\n",
    ),
    ("kernel/src/cpu/mod.rs", "pub mod stop;\nuse crate::arch::Port;\n"),
    ("kernel/src/memory/mod.rs", "mod frames;\npub mod stack;\npub use frames::Frames;\n"),
    (
        "kernel/src/memory/stack.rs",
        "use super::Frames;\nuse crate::{arch::Port, cpu::{self, stop}};\npub struct Stack;\n",
    ),
    (
        "kernel/src/exports/mod.rs",
        "#[unsafe(no_mangle)]\npub extern \"C\" fn Kernel_Stack() { crate::memory::stack::new() }\n",
    ),
    ("kernel/src/cpu/stop.rs", "pub fn stop() {}\n"),
    ("kernel/src/memory/frames.rs", "pub struct Frames;\n"),
    ("kernel/libs/units/Cargo.toml", "[package]\n[dependencies]\n"),
    ("kernel/libs/units/src/lib.rs", "#![forbid(unsafe_code)]\n"),
    ("kernel/libs/page-alloc/Cargo.toml", "[package]\n[dependencies]\nunits.workspace = true\n"),
    ("kernel/libs/page-alloc/src/lib.rs", "mod lists;\nmod walk;\npub use lists::Lists;\n"),
    (
        "kernel/libs/page-alloc/src/lists.rs",
        "pub struct Lists;\n#[cfg(test)]\nmod tests { use crate::walk::Walk; }\n",
    ),
    ("kernel/libs/page-alloc/src/walk.rs", "use crate::Lists;\npub struct Walk;\n"),
];

/// A repository in a folder of its own, with these files in place of the sound ones or beside them.
fn repository(name: &str, changed: &[(&str, &str)]) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // It is there when the test ran before.
    let _ = fs::remove_dir_all(&root);
    for (path, text) in SOUND.iter().chain(changed) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn shown(found: Vec<Violation>) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

fn violations(name: &str, changed: &[(&str, &str)]) -> Vec<String> {
    shown(import_rules::violations(&repository(name, changed)))
}

fn circles(name: &str, changed: &[(&str, &str)]) -> Vec<String> {
    shown(import_rules::circles(&repository(name, changed)))
}

#[test]
fn a_sound_repository_has_no_violation() {
    let root = repository("sound", &[]);
    assert_eq!(shown(import_rules::violations(&root)), [""; 0]);
    assert_eq!(shown(import_rules::circles(&root)), [""; 0]);
    assert_eq!(shown(import_rules::names(&root)), [""; 0]);
}

#[test]
fn an_upward_import_is_named_however_it_is_written() {
    let source = "\
use crate::memory::stack::Stack;
use super::super::{cpu::stop, super::memory as m};
fn f() -> crate::memory::Frames { crate::cpu::stop::stop() }
// crate::memory in a comment, and /* crate::cpu */ here
const TEXT: &str = \"crate::memory::stack\";
macro_rules! up { () => { $crate::memory::stack::Stack } }
fn g() { crate::late(); crate::stack::grow(); crate::arch::Port; }
use crate::memory::*;
macro_rules! use_up { () => { use $crate::{arch::Port, memory::Frames}; } }
#[cfg(any(test, target_os = \"none\"))] type F = crate::memory::Frames;
use crate as kernel; fn h() { kernel::memory::stack::grow() }
";
    let file = "kernel/src/arch/x86_64/port.rs";
    let expected = [
        "1: arch may not import memory::stack::Stack",
        "2: arch may not import memory",
        "3: arch may not import cpu::stop::stop",
        "3: arch may not import memory::Frames",
        "6: arch may not import memory::stack::Stack",
        "7: arch may not import late",
        "7: arch may not import stack::grow",
        "8: arch may not import memory",
        "9: arch may not import memory::Frames",
        "10: arch may not import memory::Frames",
        "11: arch may not import main.rs",
    ];
    let found = violations("upward", &[(file, source)]);
    let expected: Vec<_> = expected.iter().map(|what| format!("{file}:{what}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_folder_has_a_row_and_every_row_a_folder() {
    let document = DOCUMENT.replace("cpu: arch\n", "threads: arch exports\n");
    let found = violations(
        "rows",
        &[("docs/architecture.md", &document), ("kernel/src/late.rs", "pub fn late() {}")],
    );
    assert_eq!(
        found,
        [
            "docs/architecture.md:5: the row of threads names exports, which has no row above it",
            "docs/architecture.md:5: threads has a row, and kernel/src has no such folder",
            "docs/architecture.md:6: the row of memory names cpu, which has no row above it",
            "docs/architecture.md:7: the row of exports names cpu, which has no row above it",
            "kernel/src/cpu/mod.rs:1: the folder cpu has no row in docs/architecture.md",
            "kernel/src/cpu/stop.rs:1: the folder cpu has no row in docs/architecture.md",
            "kernel/src/late.rs:1: beside main.rs there are only folders: each file belongs to a layer",
        ]
    );
}

#[test]
fn machine_code_and_arrows_through_the_linker_stay_in_their_folders() {
    let source = "\
//! asm! and x86_64:: in words, and \"no_mangle\" as well.
use x86_64::registers;
fn f() { core::arch::asm!(\"hlt\") }
#[unsafe(no_mangle)]
pub extern \"C\" fn up() {}
#[unsafe(export_name = \"up\")]
pub extern \"Rust\" fn again() {}
unsafe extern \"C\" {
    fn Kernel_Stack();
}
#[unsafe(link_section = \"data\")]
static A: u8 = 0;
#[unsafe(naked)]
extern \"C\" fn entry() { core::arch::naked_asm!(\"ret\") }
const WORD: &str = \"asm! x86_64:: link_section\";
";
    let local = "macro_rules! cpu_local { () => { #[unsafe(link_section = \"cpu_local\")] static X: u8 = 0; } }\n\
        #[unsafe(link_section = \"cpu_local\")] static Y: u8 = 0;\n";
    let found =
        violations("hidden", &[("kernel/src/memory/stack.rs", source), ("kernel/src/cpu/stop.rs", local)]);
    assert_eq!(
        found,
        [
            "kernel/src/cpu/stop.rs:2: link_section is for arch and the macros of cpu only: use cpu_local!",
            "kernel/src/memory/stack.rs:2: the crate x86_64 is for arch only",
            "kernel/src/memory/stack.rs:3: asm! is for arch only",
            "kernel/src/memory/stack.rs:4: no_mangle is for arch and exports only: import what you call",
            "kernel/src/memory/stack.rs:6: export_name is for arch and exports only: import what you call",
            "kernel/src/memory/stack.rs:7: foreign items are for arch and exports only: import what you call",
            "kernel/src/memory/stack.rs:8: foreign items are for arch and exports only: import what you call",
            "kernel/src/memory/stack.rs:11: link_section is for arch and the macros of cpu only: use cpu_local!",
            "kernel/src/memory/stack.rs:14: naked_asm! is for arch only",
        ]
    );
}

#[test]
fn what_hides_from_the_checks_is_refused_in_every_folder() {
    let source = "\
extern crate self as kernel;
#[path = \"../../memory/stack.rs\"] mod stack;
#[cfg_attr(x, path = \"../../memory/frames.rs\")] mod frames;
include!(\"../../memory/late.rs\");
fn f(path: &str) { let path = \"include!\"; include_str!(\"x\") }
";
    let renamed = "use core::arch::{asm as machine};\npub extern r\"Rust\" fn up() {}\n";
    let file = "kernel/src/arch/x86_64/port.rs";
    let found = violations("hiding", &[(file, source), ("kernel/src/memory/stack.rs", renamed)]);
    let elsewhere = "brings a file from elsewhere, which no check sees: import what you use";
    assert_eq!(
        found,
        [
            format!("{file}:1: a second name for this crate, which no check sees: write crate"),
            format!("{file}:2: path {elsewhere}"),
            format!("{file}:3: path {elsewhere}"),
            format!("{file}:4: include {elsewhere}"),
            "kernel/src/memory/stack.rs:1: asm! is for arch only".into(),
            "kernel/src/memory/stack.rs:2: foreign items are for arch and exports only: import what you call"
                .into(),
        ]
    );
}

#[test]
fn a_circle_is_seen_through_another_name_of_the_folder() {
    let circle = "and both are in the circle of memory: frames, stack";
    for (name, source) in [
        ("as_folder", "use crate::memory; pub struct Frames;\n\nfn f() { memory::stack::grow() }\n"),
        ("as_other", "use super::{self as here}; pub struct Frames;\n\nfn f() { here::stack::grow() }\n"),
        ("in_any", "pub struct Frames;\n#[cfg(any(test, loom))]\nfn f() { super::stack::grow() }\n"),
    ] {
        let found = circles(name, &[("kernel/src/memory/frames.rs", source)]);
        let first = format!("kernel/src/memory/frames.rs:3: frames imports stack, {circle}");
        assert_eq!(found.first(), Some(&first), "{name}");
        assert_eq!(found.len(), 2, "{name}");
    }
}

#[test]
fn a_glob_of_the_folders_own_list_of_exports_is_refused() {
    let source = "use super::*; pub struct Frames;\n\nfn f() { stack::grow() }\n";
    let found = circles("glob", &[("kernel/src/memory/frames.rs", source)]);
    assert_eq!(
        found,
        [
            "kernel/src/memory/frames.rs:1: a glob of the folder's own list of exports hides which files are imported",
            "kernel/src/memory/frames.rs:3: frames imports stack, and both are in the circle of memory: frames, stack",
            "kernel/src/memory/stack.rs:1: stack imports frames, and both are in the circle of memory: frames, stack",
        ]
    );
}

#[test]
fn an_upward_import_is_no_circle_of_files_as_well() {
    let file = ("kernel/src/arch/x86_64/port.rs", "pub struct Port;\nuse crate::memory::Frames;\n");
    assert_eq!(circles("folders", &[file]), [""; 0]);
}

#[test]
fn two_files_that_import_each_other_are_a_circle_even_through_the_list_of_exports() {
    let found = circles(
        "two",
        &[("kernel/src/memory/frames.rs", "pub struct Frames;\n\nfn f(x: super::stack::Stack) {}\n")],
    );
    let circle = "and both are in the circle of memory: frames, stack";
    assert_eq!(
        found,
        [
            format!("kernel/src/memory/frames.rs:3: frames imports stack, {circle}"),
            format!("kernel/src/memory/stack.rs:1: stack imports frames, {circle}"),
        ]
    );
}

#[test]
fn a_circle_may_go_through_a_file_of_a_folder_below() {
    let found = circles(
        "below",
        &[
            ("kernel/src/memory/frames.rs", "mod caches;\npub struct Frames;\n"),
            ("kernel/src/memory/frames/caches.rs", "use super::Frames;\nuse crate::memory::stack::Stack;\n"),
        ],
    );
    let circle = "and both are in the circle of memory: frames, stack";
    assert_eq!(
        found,
        [
            format!("kernel/src/memory/frames/caches.rs:2: frames imports stack, {circle}"),
            format!("kernel/src/memory/stack.rs:1: stack imports frames, {circle}"),
        ]
    );
}

#[test]
fn the_files_of_a_library_make_no_circle_and_its_tests_may() {
    let lists = "use crate::walk::Walk;\npub struct Lists;\n";
    let found = circles("library", &[("kernel/libs/page-alloc/src/lists.rs", lists)]);
    let circle = "and both are in the circle: lists, walk";
    assert_eq!(
        found,
        [
            format!("kernel/libs/page-alloc/src/lists.rs:1: lists imports walk, {circle}"),
            format!("kernel/libs/page-alloc/src/walk.rs:1: walk imports lists, {circle}"),
        ]
    );
}

#[test]
fn a_crate_depends_only_on_those_of_its_row_and_keeps_its_word_on_unsafe_code() {
    let found = violations(
        "crates",
        &[
            ("kernel/libs/units/Cargo.toml", "[package]\n[dependencies]\npage-alloc.workspace = true\n"),
            ("kernel/libs/units/src/lib.rs", "#![deny(unsafe_code)]\n"),
            ("kernel/libs/slab/Cargo.toml", "[package]\n"),
            ("kernel/libs/slab/src/lib.rs", ""),
        ],
    );
    assert_eq!(
        found,
        [
            "kernel/libs/slab/Cargo.toml:1: slab has no row in docs/architecture.md",
            "kernel/libs/units/Cargo.toml:3: units may not depend on page-alloc",
            "kernel/libs/units/src/lib.rs:1: units has to say #![forbid(unsafe_code)]",
        ]
    );
}

#[test]
fn a_name_means_one_thing() {
    let root = repository(
        "names",
        &[
            ("kernel/src/memory/stop.rs", "enum Stack {}\nimpl Deref for Stack { type Target = u8; }\n"),
            ("kernel/src/exports/stop.rs", "#[cfg(test)]\nmod tests { struct Frames; }\n"),
        ],
    );
    assert_eq!(
        shown(import_rules::names(&root)),
        [
            "kernel/src/memory/stop.rs:1: a second file stop.rs; see kernel/src/cpu/stop.rs",
            "kernel/src/memory/stop.rs:1: a second type Stack; see kernel/src/memory/stack.rs:3",
        ]
    );
}
