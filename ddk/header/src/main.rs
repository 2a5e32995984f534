//! Writes the C header of the driver ABI, `ddk/include/proxima.h`, from `ddk/abi`.
//!
//! Usage: `header [--check] [FILE]`. With `--check` the program writes nothing, and fails if the file differs from what it
//! would write. `FILE` is the header's path if it is not the default.
#![forbid(unsafe_code)]

mod layout;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("header: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut path = crate_folder.join("../include/proxima.h");
    let mut only_check = false;
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("--check") => only_check = true,
            Some(option) if option.starts_with('-') => {
                return Err(format!("unknown option {option}; usage: header [--check] [FILE]"));
            }
            _ => path = PathBuf::from(argument),
        }
    }
    let text = text::generate(&crate_folder.join("../abi/src"))?;
    if only_check { check(&path, &text) } else { write(&path, &text) }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn check(path: &Path, text: &str) -> Result<(), String> {
    let found = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if found == text {
        return Ok(());
    }
    let line = 1 + found.lines().zip(text.lines()).take_while(|(found, right)| found == right).count();
    let path = path.display();
    Err(format!("{path}:{line} differs from ddk/abi; write it again with `cargo run -p header`"))
}
