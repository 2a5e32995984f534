//! The machine, behind the few functions that the rest of the kernel knows it by. Another architecture would be a second
//! folder here with the same functions; no instruction and no machine register is named outside.

mod x86_64;

pub use self::x86_64::*;
