//! The header in `ddk/include`: it is current, compilers accept it, and the documents agree with it.
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The flags for a driver in C, as far as they matter to the header.
const C: [&str; 6] = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-ffreestanding"];

fn header() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/proxima.h")
}

fn generator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_header")).args(arguments).output().expect("the generator starts")
}

/// Compiles a source text. Returns `None`, and prints a line, if there is no such compiler.
fn compile(compiler: &str, file: &str, flags: &[&str], source: &str) -> Option<Output> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    std::fs::write(&file, source).expect("the folder for test files is writable");
    let include = header().parent().expect("the header is in a folder").to_owned();
    let mock = include.join("../mock/include");
    let mut compiler_command = Command::new(compiler);
    compiler_command.args(flags).arg("-fsyntax-only").arg("-I").arg(include).arg("-I").arg(mock).arg(file);
    match compiler_command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: {compiler} cannot be started: {error}");
            None
        }
    }
}

fn assert_compiles(output: Option<Output>) {
    if let Some(output) = output {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_header_is_what_the_abi_says() {
    let output = generator(&["--check"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_stale_header_fails_the_check_in_one_line_that_names_the_place() {
    let text = std::fs::read_to_string(header()).expect("the header is there");
    let stale = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stale.h");
    std::fs::write(&stale, text.replace("Kernel_FreePages", "Kernel_FreeSheets")).expect("writable");
    let path = stale.to_str().expect("a plain path");

    let output = generator(&["--check", path]);
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).expect("plain text");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("stale.h:"), "{message}");

    assert!(generator(&[path]).status.success(), "written anew");
    assert!(generator(&["--check", path]).status.success(), "and then current");
}

#[test]
fn an_unknown_option_is_refused() {
    assert!(!generator(&["--chekc"]).status.success());
}

#[test]
fn the_header_declares_every_export_once_in_order_and_nothing_else() {
    let text = std::fs::read_to_string(header()).expect("the header is there");
    let declared: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("extern ") && line.contains("Kernel_"))
        .filter_map(|line| line[line.find("Kernel_")?..].split('(').next())
        .collect();
    assert_eq!(declared, abi::EXPORTS);
}

#[test]
fn c_takes_the_header_alone_and_twice() {
    assert_compiles(compile("cc", "once.c", &C, "#include <proxima.h>\n"));
    assert_compiles(compile("cc", "freestanding.c", &C, "#include <proxima_freestanding.h>\n"));
    assert_compiles(compile("cc", "sync.c", &C, "#include <proxima_sync.h>\nint unused;\n"));
    let on_host = "#define PROXIMA_HOST\n#include <proxima_mock.h>\n#include <proxima_sync.h>\nint unused;\n";
    assert_compiles(compile("cc", "mock.c", &C, on_host));
    assert_compiles(compile(
        "cc",
        "twice.c",
        &C,
        "#include <proxima.h>\n#include <proxima.h>\nint unused;\n",
    ));
}

#[test]
fn cplusplus_takes_the_header_and_links_as_c() {
    let source = "#include <proxima.h>\n#include <proxima_freestanding.h>\n#include <proxima_sync.h>\nextern \"C\" int Driver_Init() { return Kernel_GetNumaNodeCount() - 1; }\n";
    assert_compiles(compile(
        "c++",
        "driver.cc",
        &["-std=c++11", "-Wall", "-Werror", "-ffreestanding"],
        source,
    ));
}

#[test]
fn a_layout_that_differs_does_not_compile() {
    let text = std::fs::read_to_string(header()).expect("the header is there");
    let narrow = text.replacen("uint64_t MemorySize;", "uint32_t MemorySize;", 1);
    assert_ne!(text, narrow);
    if let Some(output) = compile("cc", "narrow.c", &C, &narrow) {
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("IsValid"), "the field is named");
    }
}

#[test]
fn the_test_driver_all_exports_has_every_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/all_exports/all_exports.c");
    let text = std::fs::read_to_string(path).expect("the driver is there");
    let names = |line: &str| Some(line.trim().strip_prefix("(void *)")?.trim_end_matches(',').to_owned());
    let referred: Vec<String> = text.lines().filter_map(names).collect();
    assert_eq!(referred, abi::EXPORTS);
}

#[test]
fn the_page_on_the_abi_has_every_function_and_field_as_the_header_does() {
    let page = document("driver-abi.md");
    let text = std::fs::read_to_string(header()).expect("the header is there");
    let declarations = text.lines().filter(|line| line.ends_with(';') && !line.contains("PROXIMA_ASSERT"));
    let declarations =
        declarations.filter_map(|line| line.strip_prefix("extern ").or(line.strip_prefix("    ")));
    let mut count = 0;
    for declaration in declarations {
        let declaration = declaration.trim_end_matches(';');
        assert!(page.contains(&format!("`{declaration}`")), "{declaration}");
        count += 1;
    }
    assert!(count > abi::EXPORTS.len() + 20, "functions and fields: {count}");
}

#[test]
fn the_guides_examples_compile() {
    let guide = document("driver-guide.md");
    let blocks: Vec<_> = guide.split("```c\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let edu = include_str!("../../tutorial/edu/edu.c");
    let (quoted, blocks): (Vec<_>, Vec<_>) = blocks.into_iter().partition(|block| edu.contains(block));
    assert_eq!((quoted.len(), blocks.len()), (6, 11), "the guide's blocks from edu.c, and of its own");
    for (index, block) in blocks.iter().enumerate() {
        // A block that includes nothing is part of a function.
        let part = "void ask(int node, uint64_t *buffer)";
        let whole = match block.starts_with("#include") {
            true => (*block).to_owned(),
            false => {
                format!("#include <proxima.h>\n{part};\n{part} {{\n(void)node, (void)buffer;\n{block}}}\n")
            }
        };
        assert_compiles(compile("cc", &format!("guide-{index}.c"), &C, &whole));
    }
    let hello = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello/hello.c");
    let hello = std::fs::read_to_string(hello).expect("the example is there");
    assert!(hello.ends_with(blocks[0]), "the guide's first block is hello.c");
}

/// The index of exports: what precedes the first entry, and each entry's name and text, in its order.
fn index_of_exports(page: &str) -> (&str, Vec<(&str, &str)>) {
    let (introduction, entries) = page.split_once("\n### `").expect("the page has entries");
    let entries = entries.split("\n### `").map(|entry| entry.split_once("`\n").expect("an entry has a name"));
    (introduction, entries.collect())
}

/// Returns the code of the language in a text, a block each.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    let rest = text.split(start.as_str()).skip(1);
    rest.map(|rest| rest.split("```").next().expect("a split has a part")).collect()
}

#[test]
fn the_index_has_an_entry_for_each_export_in_order_and_no_other() {
    let page = document("exports.md");
    let names: Vec<&str> = index_of_exports(&page).1.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, abi::EXPORTS);
}

#[test]
fn each_entry_of_the_index_has_an_example_that_calls_the_export_and_compiles() {
    let page = document("exports.md");
    let (introduction, entries) = index_of_exports(&page);
    let prelude = blocks(introduction, "c");
    assert_eq!(prelude.len(), 1, "the lines that each example begins with");
    for (name, entry) in entries {
        let examples = blocks(entry, "c");
        assert_eq!(examples.len(), 1, "{name}");
        let calls = examples[0].matches(&format!("{name}(")).count();
        assert!(calls >= 1 && examples[0].lines().count() >= 3, "{name}: a driver's function that calls it");
        let source = format!("{}{}", prelude[0], examples[0]);
        assert_compiles(compile("cc", &format!("{name}.c"), &C, &source));
    }
}

#[test]
fn the_index_says_where_an_export_may_be_called_as_the_kernel_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kernel/src/exports");
    let kernel = source_in(&folder);
    let page = document("exports.md");
    let mut counts = [0; 3];
    for (name, entry) in index_of_exports(&page).1 {
        // An export that is not for all contexts begins with one of these checks, which gets its name for the log.
        let has = |check: &str| kernel.contains(&format!("{check}\"{name}\")"));
        let is_for_threads =
            has("may_wait(") || has("driver_of_thread(") || has("in_thread(") || has("own_device(device, ");
        let is_for_blocks = has("is_thread(") || has("refuse_call(");
        let (kind, mark) = match (is_for_threads, is_for_blocks) {
            (true, false) => (0, "**[thread]** "),
            (false, true) => (1, "**[thread, block]** "),
            (false, false) => (2, "**[any]** "),
            (true, true) => panic!("{name} has two checks"),
        };
        assert!(entry.trim_start().starts_with(mark), "{name} is {mark}in the kernel");
        counts[kind] += 1;
    }
    assert!(counts.into_iter().all(|count| count >= 15), "{counts:?}");
}

#[test]
fn what_the_index_names_in_the_rust_kit_is_there() {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../driver/src");
    let page = document("exports.md");
    let mut names = 0;
    for name in page.split('`').filter(|code| code.contains("::") || code.ends_with('!')) {
        let module = name.split("::").next().expect("a split has a part");
        let item = name.trim_end_matches('!').rsplit("::").next().expect("a split has a part");
        // The methods of a device are where what they make is.
        let file = kit.join(format!("{module}.rs"));
        let text = match module {
            "device" => source_in(&kit),
            _ if file.is_file() => std::fs::read_to_string(file).expect("a module"),
            _ => source_in(&Some(kit.join(module)).filter(|folder| folder.is_dir()).unwrap_or(kit.clone())),
        };
        let declarations = ["fn ", "struct ", "trait ", "macro_rules! "].map(|kind| format!("{kind}{item}"));
        let is_there = text.lines().any(|line| {
            let declared = declarations.iter().find_map(|start| Some(line.split_once(start.as_str())?.1));
            declared.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
        });
        assert!(is_there, "{name}");
        names += 1;
    }
    assert!(names > 60, "{names}");
}

/// Returns the source of the files in a folder, and of those in the folders in it.
fn source_in(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    files
        .map(
            |file| {
                if file.is_dir() { source_in(&file) } else { std::fs::read_to_string(file).expect("text") }
            },
        )
        .collect()
}

#[test]
fn the_freestanding_functions_do_what_a_compiler_expects() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/freestanding.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("freestanding");
    let include = header().parent().expect("the header is in a folder").to_owned();
    // With -fno-builtin the compiler does not replace the calls.
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O2", "-fno-builtin", "-Wall", "-Werror", "-I"])
        .arg(include)
        .arg(source)
        .arg("-o")
        .arg(&program);
    if !cfg!(target_arch = "x86_64") || compiler.status().is_err() {
        println!("skipped: no compiler for x86_64");
        return;
    }
    let status = Command::new(program).status().expect("the program was compiled");
    assert_eq!(status.code(), Some(0), "failures");
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    std::fs::read_to_string(path).expect("the page is there")
}
