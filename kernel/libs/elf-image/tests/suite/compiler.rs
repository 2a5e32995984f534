//! Compiles drivers with the system's C compiler, as driver authors do.
use std::path::{Path, PathBuf};
use std::process::Command;

/// The flags that `docs/driver-abi.md` requires, except `-shared`.
const FLAGS: [&str; 9] = [
    "-ffreestanding",
    "-fPIC",
    "-nostdlib",
    "-mno-red-zone",
    "-mgeneral-regs-only",
    "-fno-stack-protector",
    "-fstack-clash-protection",
    "-O2",
    "-Wl,-z,now,-z,separate-code",
];

fn ddk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../ddk")
}

/// Compiles the driver of the C files in `ddk/FOLDER/NAME`, with `flags` after the usual ones.
///
/// Prints a line and returns `None` if the host has no compiler for x86_64.
///
/// # Panics
/// Panics if the compiler fails.
pub fn compile(folder: &str, name: &str, flags: &[&str]) -> Option<Vec<u8>> {
    compile_as("-shared", folder, name, flags)
}

/// Compiles a driver as [`compile`] does, with the output kind `kind` in place of `-shared`.
pub fn compile_as(kind: &str, folder: &str, name: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let flag_words: String =
        [&[kind], flags].concat().concat().chars().filter(char::is_ascii_alphanumeric).collect();
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{flag_words}.so"));
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: the host's compiler is not for x86_64");
        return None;
    }
    let mut compiler = Command::new("cc");
    compiler
        .args(FLAGS)
        .arg(kind)
        .arg("-I")
        .arg(ddk().join("include"))
        .args(flags)
        .args(sources(&ddk().join(folder).join(name)))
        .arg("-o")
        .arg(&output);
    let result = match compiler.output() {
        Ok(result) => result,
        Err(error) => {
            println!("skipped: cc cannot be started: {error}");
            return None;
        }
    };
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    Some(std::fs::read(output).expect("the compiler wrote its output"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("the folder of a driver");
    let files = files.map(|file| file.expect("a file of a driver").path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "c")).collect()
}

/// Builds the Rust driver `ddk/examples/hello_rust`.
pub fn build_rust() -> Option<Vec<u8>> {
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: the host's compiler is not for x86_64");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let output = folder.join("hello_rust.so");
    let result = Command::new(ddk().join("driver/build.sh"))
        .arg(ddk().join("examples/hello_rust"))
        .arg(&output)
        .env("CARGO_TARGET_DIR", folder)
        .output();
    let result = result.expect("the script starts");
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    Some(std::fs::read(output).expect("the script wrote its output"))
}

/// Returns the names of the C drivers in `ddk/FOLDER`.
pub fn drivers(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(ddk().join(folder)).expect("the folder is there");
    let names = entries.flatten().map(|entry| entry.file_name().into_string().expect("a plain name"));
    names.filter(|name| ddk().join(folder).join(name).join(format!("{name}.c")).exists()).collect()
}
