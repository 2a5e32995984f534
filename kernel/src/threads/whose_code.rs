//! Which driver's code a CPU runs: the running thread's own, or a handler, or a function of a block device, which another driver calls.
use super::cpu_threads;
use super::owner::Owner;
use super::thread::Thread;
use crate::cpu::code_mark::{self, CodeKind, CodeMark};
use core::ptr;
use page_alloc::PageOwner;

/// Returns the driver that a mark is of; `None` for the kernel, and for the code of a thread.
#[inline(always)]
pub fn owner_of(mark: &CodeMark) -> Option<&'static Owner> {
    // SAFETY: marks have null, or a pointer made from a `&'static Owner`: those of an owner itself, and those of the folder `block`.
    unsafe { mark.owner().cast::<Owner>().as_ref() }
}

/// Returns true if the running CPU runs a handler, and not a function that the handler has called.
pub fn is_handler() -> bool {
    code_mark::current().kind() == CodeKind::Handler
}

/// Returns the driver whose code runs; `None` for the kernel.
#[inline(always)]
pub fn calling_driver() -> Option<&'static Owner> {
    owner_of(code_mark::current()).or_else(|| cpu_threads::current_thread().driver())
}

/// Returns the running thread and its driver, if the thread runs its own code; `None` also for a thread of the kernel.
#[inline(always)]
pub fn thread_in_own_code() -> Option<(&'static Thread, &'static Owner)> {
    if !code_mark::is_of_thread() {
        return None;
    }
    let thread = cpu_threads::current_thread();
    Some((thread, thread.driver()?))
}

/// Returns what the page allocator knows the driver by whose code runs; nobody for the kernel.
#[inline(always)]
pub fn calling_page_owner() -> PageOwner {
    calling_driver().map_or(PageOwner::NOBODY, Owner::pages)
}

/// Returns a number that no two drivers have in common; 0 for the kernel.
#[inline(always)]
pub fn number_of(owner: Option<&'static Owner>) -> usize {
    owner.map_or(0, |owner| ptr::from_ref(owner).addr())
}

/// Returns the number of the driver whose code runs.
#[inline(always)]
pub fn calling_number() -> usize {
    match code_mark::current().owner().addr() {
        0 => number_of(cpu_threads::current_thread().driver()),
        number => number,
    }
}
