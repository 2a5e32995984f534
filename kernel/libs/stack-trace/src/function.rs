//! A function and a place in it, in words.
use core::fmt;
use rustc_demangle::demangle;

/// A place in a function. It is written as the function's name, and how many bytes behind its beginning the place is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function<'f> {
    /// The name in the file's table of symbols.
    pub symbol: &'f str,
    /// How many bytes behind the function's beginning the place is.
    pub offset: u64,
}

impl fmt::Display for Function<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The form without Rust's hash.
        write!(out, "{:#}+{:#x}", demangle(self.symbol), self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn names_of_rust_are_written_as_in_the_source() {
        let function = Function { symbol: "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", offset: 0x1f };
        assert_eq!(function.to_string(), "core::fmt::Write::write_fmt+0x1f");
    }

    #[test]
    fn names_of_c_stay_as_they_are() {
        assert_eq!(Function { symbol: "read_block", offset: 0 }.to_string(), "read_block+0x0");
    }
}
