//! The machine, behind the functions through which the rest of the kernel uses it. No instruction and no register is named
//! outside. Another architecture is a second folder here that exports these functions.

mod x86_64;

pub use self::x86_64::*;
