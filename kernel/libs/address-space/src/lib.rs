//! The layout and the arithmetic of the kernel's address space, without page tables.
//!
//! [`layout`] has the addresses of all parts, [`cover()`] the pages that cover a range, [`image`] the rights of the pages
//! of the kernel's own image, and [`stacks`] the addresses of stacks and of their guard areas.
#![no_std]
#![forbid(unsafe_code)]

pub mod cover;
pub mod image;
pub mod layout;
pub mod stacks;

pub use cover::{PageSize, Run, cover};
pub use stacks::StackWindows;
