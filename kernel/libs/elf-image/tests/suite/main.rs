//! The crate as a loader sees it: drivers from a compiler, drivers with one thing wrong, and any bytes at all.

mod builder;
mod compiler;
mod drivers;
mod memory;
mod properties;
mod refusals;
