//! Locks and events, as inline code over waiting at an address. All are unlocked or unset when they are new, and a `static` may hold
//! each.
//!
//! Only a [`SpinLock`] may be locked in a handler, for example in a timer's callback. An unlock, [`Semaphore::up`], [`Event::set`] and
//! [`Completion::complete`] may be called there, too. A function that waits panics there, and with a spin lock held.

mod completion;
mod countdown;
mod event;
mod interrupts;
mod mutex;
mod semaphore;
mod spin_lock;
mod turn;
mod wait;

pub use completion::Completion;
pub use countdown::Countdown;
pub use event::Event;
pub(crate) use interrupts::InterruptsOff;
pub use mutex::{Mutex, MutexGuard};
pub use semaphore::Semaphore;
pub use spin_lock::{SpinGuard, SpinLock};
pub use turn::Turn;

/// Wakes the threads that wait at this address, without a change of the word. For a driver with a protocol of its own.
pub fn wake_all(word: &core::sync::atomic::AtomicU32) {
    wait::wake(word.as_ptr(), i32::MAX);
}
