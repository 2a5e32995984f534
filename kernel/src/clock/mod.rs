//! The clock: its rate, its sources, one time for all CPUs, and waits (docs/clock.md).

mod comparator;
mod compare;
mod faults;
mod hpet;
mod hpet_registers;
mod init;
mod measure;
mod now;
mod pit;
mod pm_timer;
mod source;
mod wait;

pub use comparator::{Comparator, PulseTarget};
pub use compare::{answer_boot_cpu, compare_with, is_compared};
pub use init::{hpet, init, other_source};
pub use now::{is_by_hpet, now, now_here, ticks_at_ns, ticks_in_ns, time_ns};
pub use source::ClockSource;
pub use wait::wait_until;
