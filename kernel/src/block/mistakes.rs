//! Mistakes of drivers with block devices: the log has one line for a driver's first mistake of each kind.
use crate::threads::owner::Owner;
use crate::threads::whose_code;
use core::fmt::Display;
use core::sync::atomic::{AtomicU64, Ordering};
use node_heap::OWNERS;

/// The kinds of mistakes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// A request is not valid.
    Request,
    /// A request is outstanding already.
    Twice,
    /// A request that is completed is not outstanding.
    NotOutstanding,
    /// A request of another driver's device is completed.
    Foreign,
    /// An id is that of no block device, or of another driver's.
    Id,
    /// A function for threads is called in a handler.
    InHandler,
    /// A description of a block device is not valid.
    Description,
}

const KINDS: usize = 7;

/// The mistakes that were logged: for each kind a bit for each driver's number in the heaps.
static LOGGED: [[AtomicU64; OWNERS / 64]; KINDS] =
    [const { [const { AtomicU64::new(0) }; OWNERS / 64] }; KINDS];

fn number(owner: Option<&Owner>) -> usize {
    owner.map_or(0, |owner| owner.heap().index())
}

/// Logs a mistake of the code that runs, unless it has made one of this kind before.
#[cold]
#[inline(never)]
pub fn report(mistake: Mistake, description: impl Display) {
    let owner = whose_code::calling_driver();
    let (word, bit) = (number(owner) / 64, 1 << (number(owner) % 64));
    if LOGGED[mistake as usize][word].fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return;
    }
    match owner {
        Some(owner) => log::warn!(target: "block", "{}: {description}; refused", owner.name()),
        None => log::warn!(target: "block", "{description}; refused"),
    }
}

/// Forgets the mistakes of a driver that is gone: another one may get its number.
pub fn forget(owner: &Owner) {
    let (word, bit) = (owner.heap().index() / 64, 1_u64 << (owner.heap().index() % 64));
    for kind in &LOGGED {
        kind[word].fetch_and(!bit, Ordering::Relaxed);
    }
}
