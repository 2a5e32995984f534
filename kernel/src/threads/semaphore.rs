//! A counting semaphore whose waiters sleep.
use super::scheduler;
use super::thread_list::ThreadList;
use crate::sync::{Rank, SpinLock};

/// Units that threads take and give. A unit that is given while somebody waits goes to the one that has waited longest, and
/// to nobody else.
pub struct Semaphore {
    inner: SpinLock<State>,
}

struct State {
    units: usize,
    waiters: ThreadList,
}

impl Semaphore {
    /// A semaphore with so many units.
    pub const fn new(units: usize) -> Self {
        Self { inner: SpinLock::new(Rank::Waiting, State { units, waiters: ThreadList::new() }) }
    }

    /// Takes a unit, sleeping until there is one.
    pub fn acquire(&self) {
        let mut state = self.inner.lock();
        if state.units > 0 {
            state.units -= 1;
            return;
        }
        state.waiters.push(scheduler::current_thread());
        // Whoever wakes this thread hands it the unit.
        scheduler::block(state);
    }

    /// Gives a unit. May be called by an interrupt handler.
    pub fn release(&self) {
        let mut state = self.inner.lock();
        match state.waiters.pop() {
            Some(thread) => {
                drop(state);
                scheduler::wake(thread);
            }
            None => state.units += 1,
        }
    }
}
