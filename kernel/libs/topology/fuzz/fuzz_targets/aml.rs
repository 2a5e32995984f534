//! Fuzzes the reader of AML.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::table(*b"DSDT", fuzz::aml::dsdt, data));
