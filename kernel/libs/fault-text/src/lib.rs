//! What exceptions mean, for reports: the names of exceptions, what a page fault says, which instructions use vector registers, and
//! what a machine check says.
//!
//! The caller reads the registers and the memory. So the words are tested on the host.
#![no_std]
#![forbid(unsafe_code)]

mod exception;
mod machine_check;
mod vector_instruction;

pub use exception::{exception_name, page_fault_words};
pub use machine_check::MachineCheckError;
pub use vector_instruction::{LONGEST, is_vector_instruction};
