//! Fuzzes the topology of a machine's tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::topology(data));
