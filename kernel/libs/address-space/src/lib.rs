//! The arithmetic of the kernel's address space, without any page table: which pages of which sizes cover a range
//! ([`cover()`]), what may be done with each page of the kernel's own image ([`image`]), and where stacks and the guard pages
//! under them lie ([`stacks`]).
#![no_std]
#![forbid(unsafe_code)]

pub mod cover;
pub mod image;
pub mod layout;
pub mod stacks;

pub use cover::{PageSize, Run, cover};
pub use stacks::StackWindows;
