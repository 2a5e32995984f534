//! Tables that lie, given to the machine as its firmware's: it boots on each, says what was wrong, and keeps what was right.
#[path = "../common/mod.rs"]
mod common;
mod flips;
mod hmat;
mod injected;
mod madt;
mod slit;
mod srat;
mod whole;
