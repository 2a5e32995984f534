//! Tests of the tables' readers: a module for each table, and properties that hold for arbitrary bytes.
mod any_bytes;
mod cap;
mod clock;
mod dmar;
mod find;
mod hmat;
mod hmat_lengths;
mod madt;
mod mcfg;
mod msct;
mod power;
mod root;
mod slit;
mod srat;

use alloc::vec::Vec;

use crate::{Action, Finding};

/// The parts of a finding that tests compare: offset, rule id, action.
type Reported = (u32, &'static str, Action);

/// Runs `read` and returns its result and its findings.
fn with_findings<T>(read: impl FnOnce(&mut dyn crate::Findings) -> T) -> (T, Vec<Reported>) {
    let mut reported = Vec::new();
    let value =
        read(&mut |finding: Finding| reported.push((finding.offset, finding.rule.id(), finding.action)));
    (value, reported)
}
