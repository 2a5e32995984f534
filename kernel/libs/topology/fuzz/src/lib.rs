//! Firmware's tables as no firmware writes them: made, mutated, read, and what must hold all the same.
//!
//! The fuzz targets (`fuzz_targets/`) and the soak of plain mutations (`src/bin/mutations`) share what is here.
//! `docs/testing.md` says how they are run.
pub mod machine;
pub mod mutation;
pub mod readers;
pub mod root;
pub mod targets;
