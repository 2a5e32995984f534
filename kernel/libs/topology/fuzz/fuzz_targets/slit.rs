//! Fuzzes the reader of the SLIT.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::table(*b"SLIT", fuzz::machine::slit, data));
