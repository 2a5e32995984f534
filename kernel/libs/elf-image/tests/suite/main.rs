//! Tests of the crate as a loader uses it: compiled drivers, drivers with one thing wrong, and arbitrary bytes.

mod builder;
mod compiler;
mod drivers;
mod dynamic;
mod memory;
mod properties;
mod segments;
mod wrong;
