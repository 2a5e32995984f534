//! Fuzzes the reader of the SRAT.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::table(*b"SRAT", fuzz::machine::srat, data));
