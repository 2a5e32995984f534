//! Walks a stack: who called the code that runs, who called that, and what the functions are called.
//!
//! [`StackTrace`] walks by the unwind tables that a compiler writes for each function (DWARF 5 §6.4, System V ABI for AMD64 §4.2.4), so code
//! needs no frame pointers. The tables and the names of functions are in the ELF files of which the code is ([`CodeFile`]).
//!
//! Neither the files nor the stack are trusted: a stack may be damaged, and a driver's file may say anything. A trace is then wrong or
//! short. It never panics, ends after [`MOST_FRAMES`] frames, and allocates nothing. The work of a frame is linear in the file's size.
//!
//! The crate `gimli` reads the unwind tables, `elf` the files, and `rustc-demangle` the names of Rust's functions.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod code_file;
mod function;
mod registers;
mod trace;
mod unwind;

pub use code_file::CodeFile;
pub use function::Function;
pub use registers::Registers;
pub use trace::{MOST_FRAMES, StackFrame, StackTrace};
