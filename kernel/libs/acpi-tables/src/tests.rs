//! Tests of the tables' readers: a module a table, and properties that hold for any bytes.
mod any_bytes;
mod cap;
mod find;
mod hmat;
mod madt;
mod msct;
mod root;
mod slit;
mod srat;

use alloc::vec::Vec;

use crate::{Action, Finding};

/// What a test compares of a finding: offset, rule id, action.
type Told = (u32, &'static str, Action);

/// Runs `read` and gives what it made and what it reported.
fn with_findings<T>(read: impl FnOnce(&mut dyn crate::Findings) -> T) -> (T, Vec<Told>) {
    let mut told = Vec::new();
    let value = read(&mut |finding: Finding| told.push((finding.offset, finding.rule.id(), finding.action)));
    (value, told)
}
