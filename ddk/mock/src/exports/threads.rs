//! Threads.
use crate::arguments::{can_write, read_array, read_name};
use crate::contexts::{Context, ContextId, State};
use crate::enter;
use crate::finding::Kind;
use crate::schedule::{self, Pace, point};
use crate::world::{World, with};
use abi::{KERNEL_THREAD_NAME_SIZE, ThreadEntry};
use std::ffi::{c_char, c_int, c_void};

/// The most words of a set of CPUs.
const MOST_WORDS: usize = 131_072;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_CreateThread(
    name: *const c_char,
    entry: ThreadEntry,
    argument: *mut c_void,
    node: c_int,
) -> c_int {
    if !enter::may_wait("Kernel_CreateThread") {
        return -1;
    }
    let Some(entry) = entry else { return -1 };
    let name = if name.is_null() { Some(String::new()) } else { read_name(name, KERNEL_THREAD_NAME_SIZE) };
    let Some(name) = name else { return -1 };
    let argument = argument.expose_provenance();
    with(|world| {
        let place = if node == -1 { Some(world.node_here()) } else { world.machine.has_node(node) };
        let place = place.filter(|_| !world.driver_stops_here())?;
        if !world.may_allocate() {
            return None;
        }
        let cpu = world.contexts.least_busy(world.machine.cpus_near(place).into_iter())?;
        // SAFETY: the driver creates the thread with this function and argument.
        let entry = Box::new(move || unsafe { entry(std::ptr::with_exposed_provenance_mut(argument)) });
        let (owner, preferred, policy) = {
            let here = world.contexts.here();
            (here.owner, here.preferred, here.policy.clone())
        };
        let id = world.contexts.create_thread(&mut world.regions, &name, cpu, entry)?;
        let thread = world.contexts.get_mut(id);
        (thread.owner, thread.is_joinable) = (owner, true);
        (thread.preferred, thread.policy) = if node == -1 { (preferred, policy) } else { (node, None) };
        Some(thread.thread)
    })
    .unwrap_or(-1)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetCurrentThread() -> c_int {
    with(|world| world.contexts.here().thread)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_ExitThread(code: c_int) {
    if enter::may_wait("Kernel_ExitThread") {
        schedule::end(code);
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_JoinThread(thread: c_int, code: *mut c_int) -> c_int {
    if !enter::may_wait("Kernel_JoinThread") || (!code.is_null() && !can_write(code, 1)) {
        return -1;
    }
    let id = with(|world| {
        let id = world.contexts.find_thread(thread)?;
        let current = world.contexts.current;
        let joined = world.contexts.get_mut(id);
        if !joined.is_joinable || joined.is_joined || id == current {
            return None;
        }
        joined.is_joined = true;
        Some(id)
    });
    let Some(id) = id else {
        with(|world| {
            let text = format!("Kernel_JoinThread was called for {thread:#x}, which is no thread to join");
            world.found(Kind::StaleId, text);
        });
        return -1;
    };
    let Some(ended) = schedule::join(id, u64::MAX) else {
        with(|world| world.contexts.get_mut(id).is_joined = false);
        return -1;
    };
    if !code.is_null() {
        // SAFETY: the driver may write there.
        unsafe { code.write(ended) };
    }
    0
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_YieldThread() {
    if with(|world| enter::is_allowed(world, "Kernel_YieldThread", true)) {
        point(Pace::Yields);
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_SleepThread(nanoseconds: u64) {
    if enter::may_wait("Kernel_SleepThread") && !with(|world| world.driver_stops_here()) {
        let until = with(|world| world.clock.now().saturating_add(nanoseconds));
        schedule::block(State::Sleeping(until));
    }
}

fn find(world: &World, thread: c_int) -> Option<ContextId> {
    world.contexts.find_thread(thread).filter(|id| !has_ended(world.contexts.get(*id)))
}

const fn has_ended(context: &Context) -> bool {
    matches!(context.state, State::Ended(_))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_SetThreadAffinity(
    thread: c_int,
    cpus: *const u64,
    words: usize,
) -> c_int {
    if !enter::may_wait("Kernel_SetThreadAffinity") || words > MOST_WORDS {
        return -1;
    }
    let Some(cpus) = read_array(cpus, words) else { return -1 };
    let moved = with(|world| {
        let online = u64::MAX >> (64 - world.machine.cpu_count());
        let wanted = cpus.first().copied().unwrap_or(0) & online;
        let id = find(world, thread).filter(|_| wanted != 0)?;
        let cpu = world.contexts.get(id).cpu;
        let stays = wanted >> cpu & 1 != 0;
        let to = if stays {
            cpu
        } else {
            world.contexts.least_busy((0..64).filter(|cpu| wanted >> cpu & 1 != 0))?
        };
        world.contexts.move_to(id, to, wanted);
        Some(())
    });
    if moved.is_none() {
        return -1;
    }
    point(Pace::Yields);
    0
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetThreadAffinity(
    thread: c_int,
    cpus: *mut u64,
    words: usize,
) -> c_int {
    if !enter::thread("Kernel_GetThreadAffinity") || words == 0 || words > MOST_WORDS {
        return -1;
    }
    let affinity = with(|world| {
        let online = u64::MAX >> (64 - world.machine.cpu_count());
        find(world, thread).map(|id| world.contexts.get(id).affinity & online)
    });
    let Some(affinity) = affinity.filter(|_| can_write(cpus, words)) else { return -1 };
    // SAFETY: the driver may have so many words written.
    unsafe {
        cpus.write_bytes(0, words);
        cpus.write(affinity);
    }
    0
}
