//! Builds and mutates firmware tables, reads them, and checks properties that hold for arbitrary bytes.
//!
//! The fuzz targets (`fuzz_targets/`) and the soak of plain mutations (`src/bin/mutations`) share this code.
//! `docs/testing.md` explains how to run them.
pub mod aml;
pub mod machine;
pub mod mutation;
pub mod pci;
pub mod readers;
pub mod root;
pub mod targets;
