//! Fuzzes the topology that a machine's tables make.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::topology(data));
