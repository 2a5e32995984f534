//! Traces of stacks that are written by hand, and of this program's own.
use proptest::prelude::*;
use stack_trace::{CodeFile, MOST_FRAMES, Registers, StackTrace};
use std::fs;
use std::process::Command;
use std::sync::LazyLock;

/// `inner` has pushed rbx and is at `ud2`; `outer` has 24 bytes of its own; `begin` ends the stack.
const SOURCE: &str = "
    .macro function name
    .type \\name, @function
    \\name: .cfi_startproc
    .endm
    .macro end_function name
    .cfi_endproc
    .size \\name, . - \\name
    .endm
    .text
    .skip 64
    function inner
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_offset %rbx, -16
    ud2
    end_function inner
    function outer
    sub $24, %rsp
    .cfi_adjust_cfa_offset 24
    call inner
    end_function outer
    function begin
    .cfi_undefined %rip
    call outer
    end_function begin
    function by_expression
    .cfi_escape 0x0f, 2, 0x77, 8
    ud2
    end_function by_expression
";

/// The address that the code is loaded at.
const BASE: u64 = 0x7f00_0000_0000;
const STACK: u64 = 0x1000;

fn assemble(section: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (source, file) = (folder.path().join("code.s"), folder.path().join("code.so"));
    fs::write(&source, format!(".cfi_sections {section}\n{SOURCE}")).unwrap();
    let compiler =
        Command::new("cc").args(["-shared", "-nostdlib"]).arg(&source).arg("-o").arg(&file).status();
    assert!(compiler.unwrap().success());
    fs::read(file).unwrap()
}

static IN_IMAGE: LazyLock<Vec<u8>> = LazyLock::new(|| assemble(".eh_frame"));
static FOR_DEBUGGERS: LazyLock<Vec<u8>> = LazyLock::new(|| assemble(".debug_frame"));

/// Returns the address in memory of an offset in a function.
fn address_of(file: &[u8], name: &str, offset: u64) -> u64 {
    let file = CodeFile::open(file, BASE).unwrap();
    let named = |address: &u64| file.function(*address).is_some_and(|function| function.symbol == name);
    (BASE..BASE + 0x4000).find(named).unwrap() + offset
}

/// Returns the names, with offsets, of the functions on a stack.
fn names(file: &[u8], instruction: u64, words: &[u64]) -> Vec<String> {
    let is_code = |address: u64| (BASE..BASE + 0x4000).contains(&address);
    let find = |address| is_code(address).then(|| CodeFile::open(file, BASE)).flatten();
    let read = |address: u64| words.get(usize::try_from(address.checked_sub(STACK)? / 8).ok()?).copied();
    StackTrace::new(Registers::new(instruction, STACK), find, read)
        .map(|frame| match frame.file.and_then(|file| file.function(frame.place)) {
            Some(function) => function.to_string(),
            None => format!("{:#x}", frame.address),
        })
        .collect()
}

/// The stack of `inner`: rbx, the return address to `outer`, the 24 bytes of `outer`, the return address to `begin`.
fn stack(file: &[u8]) -> [u64; 6] {
    [7, address_of(file, "outer", 9), 0, 0, 0, address_of(file, "begin", 5)]
}

#[test]
fn a_stack_is_walked_by_the_table_in_the_image_or_by_that_for_debuggers() {
    for file in [&*IN_IMAGE, &*FOR_DEBUGGERS] {
        let names = names(file, address_of(file, "inner", 1), &stack(file));
        // The place in a caller is the call's last byte, which may be the last one of the function.
        assert_eq!(names, ["inner+0x1", "outer+0x8", "begin+0x4"]);
    }
}

#[test]
fn the_first_instruction_of_a_function_has_another_frame_than_the_second() {
    let file = &*IN_IMAGE;
    assert_eq!(
        names(file, address_of(file, "inner", 0), &stack(file)[1..]),
        ["inner+0x0", "outer+0x8", "begin+0x4"]
    );
}

#[test]
fn the_caller_of_what_is_no_code_is_found_as_that_of_a_call() {
    let file = &*IN_IMAGE;
    assert_eq!(names(file, 0, &stack(file)[1..]), ["0x0", "outer+0x8", "begin+0x4"]);
    let data = BASE + 0x3f00;
    assert_eq!(names(file, data, &stack(file)[1..]), [&format!("{data:#x}"), "outer+0x8", "begin+0x4"]);
}

#[test]
fn a_stack_that_cannot_be_read_ends_the_trace() {
    let file = &*IN_IMAGE;
    let inner = address_of(file, "inner", 1);
    assert_eq!(names(file, inner, &stack(file)[..1]), ["inner+0x1"]);
    assert_eq!(names(file, inner, &[]), ["inner+0x1"]);
    assert_eq!(names(file, inner, &[0; 100]), ["inner+0x1"], "nothing is at 0");
}

#[test]
fn an_unwind_table_with_expressions_ends_the_trace() {
    let file = &*IN_IMAGE;
    assert_eq!(names(file, address_of(file, "by_expression", 0), &stack(file)), ["by_expression+0x0"]);
}

#[test]
fn a_deep_stack_is_cut_off() {
    let file = &*IN_IMAGE;
    let frame = [0, 0, 0, address_of(file, "outer", 9)];
    let words: Vec<u64> = frame.iter().copied().cycle().take(4000).collect();
    assert_eq!(names(file, address_of(file, "outer", 4), &words).len(), MOST_FRAMES);
}

#[test]
fn a_file_without_symbols_has_frames_without_names() {
    let mut file = IN_IMAGE.clone();
    let inner = address_of(&file, "inner", 1);
    let words = stack(&file);
    // `sh_type` of the table of symbols.
    let sections = u64::from_le_bytes(file[0x28..0x30].try_into().unwrap()) as usize;
    let types = (sections + 4..file.len()).step_by(64);
    let symbols = types.into_iter().find(|&at| file[at..at + 4] == [2, 0, 0, 0]).unwrap();
    file[symbols] = 1;
    assert_eq!(
        names(&file, inner, &words),
        [inner, words[1], words[5]].map(|address| format!("{address:#x}"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_and_stacks_do_not_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        words in prop::collection::vec(prop_oneof![any::<u64>(), BASE..BASE + 0x4000], 0..40),
        instruction in BASE..BASE + 0x4000,
    ) {
        for file in [&*IN_IMAGE, &*FOR_DEBUGGERS] {
            let mut file = file.clone();
            for (place, value) in &damage {
                *place.get_mut(&mut file) = *value;
            }
            prop_assert!(names(&file, instruction, &words).len() <= MOST_FRAMES);
        }
    }
}

mod own_stack {
    use super::*;
    use std::arch::asm;
    use std::hint::black_box;

    /// Returns the registers at this place, as far as a function keeps them for its caller.
    #[inline(always)]
    fn registers_here() -> Registers {
        let (instruction, stack, rbx, rbp): (u64, u64, u64, u64);
        let (r12, r13, r14, r15): (u64, u64, u64, u64);
        // SAFETY: the block reads registers.
        unsafe {
            asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbx", "mov {}, rbp", out(reg) instruction, out(reg) stack, out(reg) rbx, out(reg) rbp);
            asm!("mov {}, r12", "mov {}, r13", "mov {}, r14", "mov {}, r15", out(reg) r12, out(reg) r13, out(reg) r14, out(reg) r15);
        }
        Registers::of(instruction, [0, 0, 0, rbx, 0, 0, rbp, stack, 0, 0, 0, 0, r12, r13, r14, r15])
    }

    #[inline(never)]
    fn innermost(file: &[u8], base: u64) -> Vec<String> {
        let registers = registers_here();
        let bottom = registers.stack().unwrap();
        let is_near = |address: u64| (bottom..bottom + 0x1000).contains(&address);
        // SAFETY: the stack is mapped from here up, farther than the frames of three functions.
        let load = |address: u64| unsafe { *(address as *const u64) };
        let read = |address: u64| is_near(address).then(|| load(address));
        let find = |address: u64| CodeFile::open(file, base).filter(|file| file.function(address).is_some());
        let trace = StackTrace::new(registers, find, read);
        trace.filter_map(|frame| Some(frame.file?.function(frame.place)?.to_string())).collect()
    }

    #[inline(never)]
    fn middle(file: &[u8], base: u64) -> Vec<String> {
        black_box(innermost(black_box(file), base))
    }

    #[test]
    fn the_functions_of_a_program_that_runs_are_named() {
        let file = fs::read("/proc/self/exe").unwrap();
        let map = fs::read_to_string("/proc/self/maps").unwrap();
        let base = u64::from_str_radix(map.split('-').next().unwrap(), 16).unwrap();
        let names = middle(&file, base);
        let is_at = |index: usize, name: &str| names.get(index).is_some_and(|found| found.contains(name));
        assert!(is_at(0, "own_stack::innermost+") && is_at(1, "own_stack::middle+"), "{names:?}");
        assert!(is_at(2, "the_functions_of_a_program_that_runs_are_named"), "{names:?}");
    }
}
