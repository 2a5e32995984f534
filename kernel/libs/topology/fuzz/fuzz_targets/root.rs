//! Fuzzes the path from the root pointer to the tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::root(data));
