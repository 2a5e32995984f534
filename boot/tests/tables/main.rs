//! Faulty tables, given to the machine as its firmware's. The kernel boots with each, reports the faults, and uses the rest.
#[path = "../common/mod.rs"]
mod common;
mod flips;
mod hmat;
mod injected;
mod madt;
mod power;
mod slit;
mod srat;
mod whole;
