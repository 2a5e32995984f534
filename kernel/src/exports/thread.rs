//! The exports about threads.
use super::numa::node_from;
use super::pointer::{self, DriverPointer};
use super::thread_only;
use crate::drivers::enter_driver;
use crate::memory::protection;
use crate::threads::cpu_threads;
use crate::threads::thread::{Start, ThreadId};
use crate::threads::{ending, join, lifecycle, scheduler, sleep};
use abi::{KERNEL_THREAD_NAME_SIZE, ThreadEntry};
use arrayvec::ArrayString;
use core::ffi::{c_char, c_int, c_void};
use scheduling::{CpuSet, WORDS};

/// What an export returns for arguments that it refuses.
const NONE: c_int = -1;
/// The node of a thread that inherits its creator's preferred node and policy.
const INHERIT: c_int = -1;

/// Returns the thread that a driver's id names, if it runs a driver's code. Drivers may not join or move the kernel's own
/// threads: these never end, and an idle thread must stay on its CPU.
fn thread_from(thread: c_int) -> Option<ThreadId> {
    let id = ThreadId(u32::try_from(thread).ok()?);
    lifecycle::is_drivers_own(id).then_some(id)
}

pub unsafe extern "C" fn create_thread(
    name: *const c_char,
    entry: ThreadEntry,
    argument: *mut c_void,
    node: c_int,
) -> c_int {
    if !thread_only::may_wait("Kernel_CreateThread") {
        return NONE;
    }
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let name = unsafe { DriverPointer::new(name.cast::<u8>()) };
    let create = || {
        let name = if name.is_null() { ArrayString::new() } else { name.text::<KERNEL_THREAD_NAME_SIZE>()? };
        let entry = entry.filter(|entry| pointer::is_code(*entry as *const ()))?;
        let node = if node == INHERIT { None } else { Some(node_from(node)?) };
        let create = |start| lifecycle::create(&name, start, node).ok();
        if protection::is_on() {
            // SAFETY: as below. `create` returns an id if a thread was created with what it executes.
            return unsafe { enter_driver::create_with(entry, argument, create) };
        }
        // SAFETY: the entry is code of a driver, which vouches for calling it with this argument on another thread.
        create(unsafe { Start::new(entry, argument) })
    };
    create().map_or(NONE, |id| id.0 as c_int)
}

pub extern "C" fn get_current_thread() -> c_int {
    cpu_threads::current_thread().id.0 as c_int
}

pub extern "C" fn exit_thread(code: c_int) {
    if !thread_only::may_wait("Kernel_ExitThread") {
        return;
    }
    lifecycle::exit(code);
}

pub unsafe extern "C" fn join_thread(thread: c_int, code: *mut c_int) -> c_int {
    if !thread_only::may_wait("Kernel_JoinThread") {
        return NONE;
    }
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let code = unsafe { DriverPointer::new(code) };
    let join_thread = || {
        // Checked first, so that a wrong pointer does not cost the exit code.
        if !code.is_null() {
            code.check_writable()?;
        }
        let exit_code = join::join_for_driver(thread_from(thread)?).ok()?;
        if code.is_null() { Some(()) } else { code.write(exit_code) }
    };
    join_thread().map_or(NONE, |()| 0)
}

pub extern "C" fn yield_thread() {
    if !thread_only::may_wait("Kernel_YieldThread") {
        return;
    }
    scheduler::yield_now();
    ending::exit_if_due();
}

pub extern "C" fn sleep_thread(nanoseconds: u64) {
    if !thread_only::may_wait("Kernel_SleepThread") {
        return;
    }
    sleep::sleep_for_driver_ns(nanoseconds);
    ending::exit_if_due();
}

pub unsafe extern "C" fn set_thread_affinity(thread: c_int, cpus: *const u64, words: usize) -> c_int {
    if !thread_only::may_wait("Kernel_SetThreadAffinity") {
        return NONE;
    }
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let cpus = unsafe { DriverPointer::new(cpus) };
    let set = || {
        // No CPU has a bit in the words from `WORDS` on, so they are not read.
        let words = words.min(WORDS);
        let mut wanted = [0; WORDS];
        cpus.read_array(&mut wanted[..words])?;
        lifecycle::set_affinity(thread_from(thread)?, &CpuSet::from_words(&wanted)).ok()
    };
    set().map_or(NONE, |()| 0)
}

pub unsafe extern "C" fn get_thread_affinity(thread: c_int, cpus: *mut u64, words: usize) -> c_int {
    if !thread_only::is_thread("Kernel_GetThreadAffinity") {
        return NONE;
    }
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let cpus = unsafe { DriverPointer::new(cpus) };
    let get = || {
        let set = lifecycle::affinity(thread_from(thread)?).ok()?;
        let has_room = set.words().iter().skip(words).all(|&word| word == 0);
        if !has_room {
            return None;
        }
        cpus.write_array(words, |index| set.words().get(index).copied().unwrap_or(0))
    };
    get().map_or(NONE, |()| 0)
}
