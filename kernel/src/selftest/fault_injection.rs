//! Deliberate faults, so that a test can watch how the kernel reports them.
use crate::arch;
use crate::report::verdict;
use crate::sync::{Rank, SpinLock};
use crate::threads::Mutex;
use core::hint::black_box;
use parameters::Fault;

/// An address at which nothing is mapped: it lies in the lower half, which the kernel does not use.
const NOT_MAPPED: usize = 0x0dea_dbee_f000;

/// Causes the fault that the parameter `fault=` asks for. Returns only if the kernel survives the fault, which is a failure.
pub fn trigger(fault: Fault) {
    match fault {
        Fault::Panic => panic!("asked for by the parameter fault=panic"),
        // SAFETY: nothing is mapped at the address, so the CPU raises a page fault instead of writing.
        Fault::Page => unsafe { core::ptr::without_provenance_mut::<u8>(NOT_MAPPED).write_volatile(1) },
        Fault::Stack => {
            black_box(overflow_stack(black_box(1)));
        }
        Fault::Invalid => arch::invalid_instruction(),
        Fault::Wait => wait_with_a_spin_lock(),
    }
    log::error!(target: "boot", "the kernel survived a fault that was asked for");
    verdict::fail();
}

/// Locks a free mutex while a spin lock is held.
fn wait_with_a_spin_lock() {
    static SPINNING: SpinLock<()> = SpinLock::new(Rank::PageTables, ());
    static FREE: Mutex<()> = Mutex::new(());
    let held = SPINNING.lock();
    drop(FREE.lock());
    drop(held);
}

/// Calls itself until the stack overflows.
#[allow(unconditional_recursion, reason = "the stack is to overflow")]
fn overflow_stack(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    here[0] + overflow_stack(black_box(depth + 1))
}
