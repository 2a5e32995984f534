//! Fuzzes the scan of PCI's configuration space.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::pci::scan(data));
