//! Run queues, thread states and the protocol by which CPUs wake each other, without the machine.
//!
//! A thread is in one [`State`] at a time. The state and the CPU that it belongs to are one word of the thread's [`Entry`].
//! Each CPU has one [`RunQueue`]; the CPUs that halt are in one [`IdleSet`], those with
//! queued threads in one [`QueuedSet`]. [`wake`] and [`halt_if_nothing_queued`] are the
//! two sides of the idle protocol, [`set_affinity`] and [`leave_if_forbidden`] those of moving a thread.
//!
//! The crate is generic over the thread ([`Runnable`]), the lock around a queue ([`Lock`]) and the machine ([`Machine`]): the
//! kernel, the tests on the host and the loom models run this same code.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, loom))]
extern crate std;

mod affinity;
mod atomic;
mod blocked;
mod cpu_bits;
mod entry;
mod idle_set;
mod link;
mod list;
mod lock;
mod machine;
mod moving;
mod queue;
mod queued_set;
mod waking;

pub use blocked::{Blocked, WaitList};
pub use entry::{Entry, Runnable, State};
pub use idle_set::IdleSet;
pub use list::List;
pub use lock::Lock;
pub use machine::Machine;
pub use moving::{Progress, leave_if_forbidden, set_affinity};
pub use queue::{LOOKED_AT, RunQueue};
pub use queued_set::QueuedSet;
pub use waking::{enqueue_new, halt_if_nothing_queued, hand_over, offer_work, wake};
