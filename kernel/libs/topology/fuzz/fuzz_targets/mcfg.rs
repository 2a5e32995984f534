//! Fuzzes the MCFG's reader.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::table(*b"MCFG", fuzz::machine::mcfg, data));
