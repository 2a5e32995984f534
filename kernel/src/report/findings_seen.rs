//! The findings so far, for those who ask later.
use crate::cpu::PreemptionOff;
use crate::sync::{Rank, SpinLock};
use arrayvec::{ArrayString, ArrayVec};

/// The most findings that are kept. The others are counted.
const MOST: usize = 64;

/// A finding: the fields of its event, each cut to the room that there is.
#[derive(Clone, Copy)]
pub struct SeenFinding {
    /// The table's signature.
    pub table: ArrayString<16>,
    /// Bytes from the table's start to the fault.
    pub offset: u32,
    /// The rule's fixed identifier.
    pub rule: ArrayString<48>,
    /// `mended`, `dropped` or `refused`.
    pub action: ArrayString<16>,
    /// The fault as a sentence.
    pub what: ArrayString<160>,
}

struct SeenFindings {
    kept: ArrayVec<SeenFinding, MOST>,
    count: usize,
}

static SEEN: SpinLock<SeenFindings, PreemptionOff> =
    SpinLock::new(Rank::Phases, SeenFindings { kept: ArrayVec::new_const(), count: 0 });

/// Keeps a finding.
pub(super) fn add(table: &str, offset: u32, rule: &str, action: &str, what: &str) {
    let mut seen = SEEN.lock();
    seen.count += 1;
    let finding =
        SeenFinding { table: cut(table), offset, rule: cut(rule), action: cut(action), what: cut(what) };
    // Beyond the most it is counted only.
    let _ = seen.kept.try_push(finding);
}

/// Returns how many findings there were, and how many of them are kept.
pub fn counts() -> (usize, usize) {
    let seen = SEEN.lock();
    (seen.count, seen.kept.len())
}

/// Returns a finding that is kept.
pub fn nth(index: usize) -> Option<SeenFinding> {
    SEEN.lock().kept.get(index).copied()
}

fn cut<const N: usize>(text: &str) -> ArrayString<N> {
    let mut end = text.len().min(N);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    ArrayString::from(&text[..end]).unwrap_or_default()
}
