//! Fuzzes the reader of the MSCT.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::table(*b"MSCT", fuzz::machine::msct, data));
