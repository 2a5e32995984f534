//! Threads.
use super::numa::node_from;
use super::pointer;
use crate::threads::cpu_threads;
use crate::threads::thread::{Start, ThreadId};
use crate::threads::{lifecycle, scheduler, sleep};
use abi::{KERNEL_THREAD_NAME_SIZE, ThreadEntry};
use arrayvec::ArrayString;
use core::ffi::{c_char, c_int, c_void};
use scheduling::{CpuSet, WORDS};

/// Refused.
const NONE: c_int = -1;
/// As the thread's creator.
const INHERIT: c_int = -1;

type Name = ArrayString<KERNEL_THREAD_NAME_SIZE>;

/// The thread that a driver means: the calling one, or one that a driver has created. The kernel's own are not for drivers
/// to wait for, as they never end, or to move: an idle thread anywhere but on its CPU would be the end of that.
fn thread_from(thread: c_int) -> Option<ThreadId> {
    let id = ThreadId(u32::try_from(thread).ok()?);
    (id == cpu_threads::current_thread().id || lifecycle::is_drivers_own(id)).then_some(id)
}

pub unsafe extern "C" fn create_thread(
    name: *const c_char,
    entry: ThreadEntry,
    argument: *mut c_void,
    node: c_int,
) -> c_int {
    let create = || {
        let name = if name.is_null() { Name::new() } else { pointer::text(name.cast())? };
        let entry = entry.filter(|entry| pointer::is_code(*entry as *const ()))?;
        let node = if node == INHERIT { None } else { Some(node_from(node)?) };
        // SAFETY: the entry is code of a driver, which vouches for calling it with this argument on another thread.
        let start = unsafe { Start::new(entry, argument) };
        lifecycle::create(&name, start, node).ok()
    };
    create().map_or(NONE, |id| id.0 as c_int)
}

pub extern "C" fn get_current_thread() -> c_int {
    cpu_threads::current_thread().id.0 as c_int
}

pub extern "C" fn exit_thread(code: c_int) {
    let thread = cpu_threads::current_thread();
    if thread.is_drivers_own() {
        lifecycle::exit(code);
    }
    let driver = thread.driver_name().unwrap_or("the kernel");
    log::error!(target: "threads", "{driver} ended a thread that is not its own; the thread sleeps for good");
    loop {
        sleep::sleep_ns(u64::MAX);
    }
}

pub unsafe extern "C" fn join_thread(thread: c_int, code: *mut c_int) -> c_int {
    let join = || {
        if !code.is_null() {
            pointer::check_array(code, 1, true)?;
        }
        let exit_code = lifecycle::join(thread_from(thread)?).ok()?;
        if code.is_null() { Some(()) } else { pointer::write(code, exit_code) }
    };
    join().map_or(NONE, |()| 0)
}

pub extern "C" fn yield_thread() {
    scheduler::yield_now();
}

pub extern "C" fn sleep_thread(nanoseconds: u64) {
    sleep::sleep_ns(nanoseconds);
}

pub unsafe extern "C" fn set_thread_affinity(thread: c_int, cpus: *const u64, words: usize) -> c_int {
    let set = || {
        // Words beyond the last CPU that there can be say nothing.
        let words = words.min(WORDS);
        pointer::check_array(cpus, words, false)?;
        let word = |index| pointer::read(cpus.wrapping_add(index)).unwrap_or(0);
        let mut wanted = [0; WORDS];
        wanted.iter_mut().take(words).enumerate().for_each(|(index, to)| *to = word(index));
        lifecycle::set_affinity(thread_from(thread)?, &CpuSet::from_words(&wanted)).ok()
    };
    set().map_or(NONE, |()| 0)
}

pub unsafe extern "C" fn get_thread_affinity(thread: c_int, cpus: *mut u64, words: usize) -> c_int {
    let get = || {
        let set = lifecycle::affinity(thread_from(thread)?).ok()?;
        let has_room = set.words().iter().skip(words).all(|&word| word == 0);
        pointer::check_array(cpus, words, true).filter(|()| has_room)?;
        for index in 0..words {
            pointer::write(cpus.wrapping_add(index), set.words().get(index).copied().unwrap_or(0))?;
        }
        Some(())
    };
    get().map_or(NONE, |()| 0)
}
