//! Fuzzes the reader of the HMAT.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::table(*b"HMAT", fuzz::machine::hmat, data));
