//! Fuzzes the reader of the MADT.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::table(*b"APIC", fuzz::machine::madt, data));
