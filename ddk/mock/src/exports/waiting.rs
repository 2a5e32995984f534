//! Waiting at an address, the time, timers, and the log.
use crate::arguments::{read, read_array};
use crate::contexts::State;
use crate::enter;
use crate::finding::Kind;
use crate::schedule::{self, Pace, point};
use crate::world::{Timer, World, with};
use abi::{
    KERNEL_LONGEST_DELAY, KERNEL_WAIT_STOPPING, KERNEL_WAIT_TIMED_OUT, KERNEL_WAIT_WOKEN, TimerCallback,
};
use std::ffi::{c_char, c_int, c_void};

/// The first id of a timer.
const FIRST_TIMER: i32 = 0x4_0001;
/// The most timers of a CPU.
const MOST_TIMERS: usize = 511;
/// The most threads that a handler wakes.
const MOST_WOKEN: usize = 8;
/// The longest text of a line.
const LONGEST_LINE: usize = 4096;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_WaitAddress(
    word: *const u32,
    expected: u32,
    nanoseconds: u64,
) -> c_int {
    if !enter::may_wait("Kernel_WaitAddress") {
        return -1;
    }
    let Some(value) = read(word) else { return -1 };
    if value != expected {
        return KERNEL_WAIT_WOKEN;
    }
    if with(|world| world.driver_stops_here()) {
        return KERNEL_WAIT_STOPPING;
    }
    if nanoseconds == 0 {
        return KERNEL_WAIT_TIMED_OUT;
    }
    let until = with(|world| world.clock.now().saturating_add(nanoseconds));
    schedule::block(State::Waiting(word.addr(), until))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_WakeAddress(word: *const u32, count: c_int) -> c_int {
    enter::any();
    with(|world| {
        let most = usize::try_from(count).unwrap_or(0);
        // The kernel leaves the rest to the last one that it wakes, which runs before it returns.
        let told = if enter::is_atomic(world) { MOST_WOKEN } else { usize::MAX };
        world.contexts.wake(word.addr(), most).min(told) as c_int
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetTime() -> u64 {
    point(Pace::Looks);
    with(|world| world.clock.now())
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_Delay(nanoseconds: u64) {
    enter::any();
    let is_refused = with(|world| {
        let here = world.contexts.here();
        let is_short = here.role == crate::contexts::Role::Handler || here.interrupts_off;
        if is_short && nanoseconds > KERNEL_LONGEST_DELAY {
            let text =
                format!("Kernel_Delay was called for {nanoseconds} ns in a handler or with interrupts off");
            world.found(Kind::LongDelay, text);
            return true;
        }
        false
    });
    let end = with(|world| world.clock.now().saturating_add(nanoseconds));
    while !is_refused && with(|world| world.clock.now()) < end {
        // What is due on the way comes in time.
        with(|world| {
            let next = world.next_due().unwrap_or(end).min(end);
            world.clock.advance_to(next);
        });
        point(Pace::Looks);
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_CreateTimer(
    callback: TimerCallback,
    context: *mut c_void,
    cpu: c_int,
) -> c_int {
    if !enter::may_wait("Kernel_CreateTimer") {
        return -1;
    }
    let Some(callback) = callback else { return -1 };
    with(|world| {
        let cpu = if cpu == -1 { world.contexts.here().cpu as c_int } else { cpu };
        world.machine.node_of_cpu(cpu)?;
        let cpu = cpu as usize;
        let is_full = world.timers.iter().filter(|timer| timer.cpu == cpu).count() >= MOST_TIMERS;
        if is_full || world.driver_stops_here() || !world.may_allocate() {
            return None;
        }
        let id = FIRST_TIMER + world.timers_created;
        world.timers_created += 1;
        let callback = (callback, context.expose_provenance());
        let owner = world.caller();
        world.timers.push(Timer { id, owner, cpu, callback, when: 0, period: 0, is_running: false });
        Some(id)
    })
    .unwrap_or(-1)
}

fn timer<'w>(world: &'w mut World, name: &str, id: c_int) -> Option<&'w mut Timer> {
    let caller = world.caller();
    let index = world.timers.iter().position(|timer| timer.id == id && timer.owner == caller);
    if index.is_none() {
        world.found(Kind::StaleId, format!("{name} was called for {id:#x}, which is no timer of the caller"));
    }
    Some(&mut world.timers[index?])
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_SetTimer(id: c_int, when: u64, period: u64) -> bool {
    enter::any();
    with(|world| {
        let Some(timer) = timer(world, "Kernel_SetTimer", id) else { return false };
        (timer.when, timer.period) = (when, period);
        true
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_DestroyTimer(id: c_int) -> bool {
    if !enter::may_wait("Kernel_DestroyTimer") {
        return false;
    }
    let stopped = with(|world| timer(world, "Kernel_DestroyTimer", id).map(|timer| timer.when = 0));
    if stopped.is_none() {
        return false;
    }
    let running = |world: &mut World| {
        let timer = world.timers.iter_mut().find(|timer| timer.id == id)?;
        // The callback may set its own timer.
        timer.when = 0;
        Some(timer.is_running)
    };
    while with(running) == Some(true) {
        point(Pace::Yields);
    }
    with(|world| world.timers.retain(|timer| timer.id != id));
    true
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_Log(level: c_int, text: *const c_char, length: usize) {
    enter::any();
    let Some(bytes) = read_array(text.cast::<u8>(), length.min(LONGEST_LINE)) else { return };
    let text = String::from_utf8_lossy(&bytes).escape_debug().to_string();
    let level = match level {
        abi::KERNEL_LOG_ERROR => "ERROR",
        abi::KERNEL_LOG_WARN => "WARN ",
        abi::KERNEL_LOG_DEBUG => "DEBUG",
        abi::KERNEL_LOG_TRACE => "TRACE",
        _ => "INFO ",
    };
    with(|world| {
        let name = match world.caller() {
            crate::contexts::Owner::Driver => world.driver.name.clone(),
            crate::contexts::Owner::Test => "test".into(),
        };
        world.write_log(&format!("{level} {name}: {text}"));
    });
}
