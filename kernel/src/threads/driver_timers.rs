//! Timers of drivers: each belongs to a CPU, which calls the timer's callback as an interrupt handler.
//!
//! A CPU's timers are behind one lock, which any CPU may take: the lib `timer-heap`. The times there are nanoseconds. The tick
//! looks at them from the time on that [`TimerTimes`] gives, which changes when the heap's first timer does.
use super::cpu_threads::{self, CpuThreads, TimerTimes};
use super::handler::{self, InHandler};
use super::mutex::Mutex;
use super::owner::Owner;
use super::scheduler;
use crate::arch::{self, InterruptsOff};
use crate::clock;
use crate::cpu::{self, Cpu};
use crate::memory::allocate::{self, Zeroed};
use crate::sync::{Rank, SpinLock};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;
use spin::Once;
use timer_heap::{Due, NEVER, SLOT_BITS, Slot, Timers, tag_of};
use topology::MAX_CPUS;
use units::{FRAME_SIZE, NodeId};

pub use timer_heap::TimerId;

/// What a timer calls.
#[derive(Clone, Copy)]
pub struct Callback {
    function: unsafe extern "C" fn(*mut c_void),
    context: *mut c_void,
    owner: Option<&'static Owner>,
}

// SAFETY: the pointer is only copied and handed to `function`, which `Callback::new` allows on any CPU.
unsafe impl Send for Callback {}

impl Callback {
    /// Makes a callback of the driver whose code the running thread runs.
    ///
    /// # Safety
    /// `function` may be called with `context` on any CPU, with interrupts off, until the timer is destroyed.
    pub unsafe fn new(function: unsafe extern "C" fn(*mut c_void), context: *mut c_void) -> Self {
        Self { function, context, owner: cpu_threads::current_thread().driver() }
    }

    fn call(self, off: &InterruptsOff) {
        let _mark = InHandler::enter(self.owner, off);
        // SAFETY: by the condition of `Callback::new`. The timer is not destroyed before `running` says that the call has ended.
        unsafe { (self.function)(self.context) };
    }

    fn is_of(&self, owner: Option<&'static Owner>) -> bool {
        match (self.owner, owner) {
            (Some(owner), Some(other)) => core::ptr::eq(owner, other),
            (owner, other) => owner.is_none() && other.is_none(),
        }
    }
}

/// Why a timer was not created, set or destroyed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimerError {
    /// There is no timer with this id.
    NoSuchTimer,
    /// It belongs to another driver.
    Foreign,
    /// The CPU has as many timers as it may have.
    TooMany,
    /// There is no memory for the CPU's timers.
    NoMemory,
}

/// A CPU's timers.
struct CpuTimers {
    timers: Timers<'static, Callback>,
    /// The timer whose callback the CPU runs.
    running: Option<TimerId>,
}

type Table = SpinLock<CpuTimers>;

/// The timers of each CPU that has ever had one, by the CPU's index, which is the tag of their ids.
static TABLES: [Once<&'static Table>; MAX_CPUS] = [const { Once::new() }; MAX_CPUS];
const _: () = assert!(MAX_CPUS <= 1 << timer_heap::TAG_BITS);

/// Only one thread at a time makes the table of a CPU.
static MAKING: Mutex<()> = Mutex::new(());

#[inline(always)]
fn table_of(id: TimerId) -> Option<&'static Table> {
    TABLES.get(tag_of(id) as usize)?.get().copied()
}

/// Allocates the table of a CPU's timers, on the CPU's node or the nearest with memory. It is never freed.
fn make_table(cpu: &Cpu) -> Option<&'static Table> {
    const SLOTS: usize = 1 << SLOT_BITS;
    let _making = MAKING.lock();
    let slots = allocate_array::<Slot<Callback>>(cpu.node, SLOTS)?;
    slots.iter_mut().for_each(|slot| _ = slot.write(Slot::new()));
    // SAFETY: the line above has initialized each slot.
    let slots = unsafe { slots.assume_init_mut() };
    let timers = Timers::new(slots, cpu.id.0);
    let table = allocate_array::<Table>(cpu.node, 1)?;
    let table = table.first_mut()?.write(SpinLock::new(Rank::Timers, CpuTimers { timers, running: None }));
    Some(TABLES.get(cpu.id.index())?.call_once(|| table))
}

fn allocate_array<T>(node: NodeId, count: usize) -> Option<&'static mut [MaybeUninit<T>]> {
    const { assert!(align_of::<T>() as u64 <= FRAME_SIZE, "frames are aligned as the values must be") };
    let pages = ((size_of::<T>() * count) as u64).div_ceil(FRAME_SIZE);
    let frame = allocate::allocate_for_kernel(node, pages, Zeroed::No)?.frame;
    let memory = arch::physical_memory(frame.address()).cast::<MaybeUninit<T>>();
    // SAFETY: the lines above have allocated the frames, which are mapped there and have room. Nothing frees them.
    Some(unsafe { core::slice::from_raw_parts_mut(memory, count) })
}

/// Creates a timer of `cpu` that is not set.
///
/// # Errors
/// [`TimerError::TooMany`] or [`TimerError::NoMemory`].
pub fn create(cpu: &Cpu, callback: Callback) -> Result<TimerId, TimerError> {
    let there = TABLES.get(cpu.id.index()).and_then(Once::get).copied();
    let table = there.or_else(|| make_table(cpu)).ok_or(TimerError::NoMemory)?;
    table.lock().timers.create(callback).ok_or(TimerError::TooMany)
}

/// Sets a timer of the calling driver: it is due when `clock::time_ns` returns `when`, and then each `period` nanoseconds unless
/// that is 0. A `when` of 0 stops it. Handlers may call this.
///
/// # Errors
/// [`TimerError::NoSuchTimer`] or [`TimerError::Foreign`].
#[inline(always)]
pub fn set(id: TimerId, when: u64, period: u64) -> Result<(), TimerError> {
    let owner = handler::calling_driver();
    let table = table_of(id).ok_or(TimerError::NoSuchTimer)?;
    let mut cpu_timers = table.lock();
    let timer = cpu_timers.timers.find(id).ok_or(TimerError::NoSuchTimer)?;
    if !timer.value().is_of(owner) {
        return Err(TimerError::Foreign);
    }
    let when = if when == 0 { NEVER } else { when };
    if timer.set(when, period) {
        request_interrupt(id, &cpu_timers.timers);
    }
    Ok(())
}

/// Has the timer's CPU interrupted when its first timer is due, which is earlier than before. The caller holds the lock.
#[cold]
fn request_interrupt(id: TimerId, timers: &Timers<'static, Callback>) {
    let Some(cpu) = cpu::get(units::CpuId(tag_of(id))) else { return };
    let times = &cpu_threads::of(cpu).timer_times;
    note_next(times, timers.next());
    if cpu.id == cpu::current().id {
        request_here(times);
    } else {
        arch::request_tick(cpu.apic);
    }
}

/// Requests an interrupt of the running CPU for its next timer, unless it comes soon enough without.
fn request_here(times: &TimerTimes) {
    let left = arch::timer_ticks_left();
    let now = clock::now_here();
    let until_timer = times.next.load(Ordering::Relaxed).saturating_sub(now).max(1);
    // If none is left, the interrupt is about to come, or the CPU idles and requests one before it halts.
    if left > until_timer {
        if times.tick.load(Ordering::Relaxed) <= now {
            times.tick.store(now + left, Ordering::Relaxed);
        }
        arch::set_timer(until_timer);
    }
}

/// Notes when a CPU's first timer is due. The caller holds the lock of the timers.
fn note_next(times: &TimerTimes, next_ns: u64) {
    let next = if next_ns == NEVER { u64::MAX } else { clock::ticks_at_ns(next_ns) };
    let look = if next_ns == NEVER { u64::MAX } else { next.saturating_sub(arch::ticks_per_ms()) };
    times.next.store(next, Ordering::Relaxed);
    times.look.store(look, Ordering::Relaxed);
}

/// The most timers that one interrupt looks at.
const MOST_AT_ONCE: usize = 3;

/// Calls the callbacks of the running CPU's timers that are due, up to [`MOST_AT_ONCE`]. Returns true if another one is due.
pub fn run_due(cpu: &'static CpuThreads, off: &InterruptsOff) -> bool {
    let Some(table) = TABLES.get(cpu.id().index()).and_then(Once::get) else { return false };
    for _ in 0..MOST_AT_ONCE {
        let mut cpu_timers = table.lock();
        let due = cpu_timers.timers.take_due(clock::time_ns());
        note_next(&cpu.timer_times, cpu_timers.timers.next());
        match due {
            None => return false,
            Some(Due::Later) => {}
            Some(Due::Timer(id, callback)) => {
                cpu_timers.running = Some(id);
                drop(cpu_timers);
                callback.call(off);
                table.lock().running = None;
            }
        }
    }
    table.lock().timers.next() <= clock::time_ns()
}

/// Destroys a timer of the running thread's driver. On return its callback does not run.
///
/// # Errors
/// [`TimerError::NoSuchTimer`] or [`TimerError::Foreign`].
pub fn destroy(id: TimerId) -> Result<(), TimerError> {
    destroy_of(cpu_threads::current_thread().driver(), id)
}

fn destroy_of(owner: Option<&'static Owner>, id: TimerId) -> Result<(), TimerError> {
    scheduler::assert_may_wait();
    let table = table_of(id).ok_or(TimerError::NoSuchTimer)?;
    let mut cpu_timers = table.lock();
    let timer = cpu_timers.timers.find(id).ok_or(TimerError::NoSuchTimer)?;
    if !timer.value().is_of(owner) {
        return Err(TimerError::Foreign);
    }
    // The tick may look once for nothing.
    timer.destroy();
    drop(cpu_timers);
    // Another CPU may run the callback, which does not wait for anything.
    while table.lock().running == Some(id) {
        scheduler::yield_now();
        core::hint::spin_loop();
    }
    Ok(())
}

/// Destroys all timers of a driver, and returns how many there were. On return none of their callbacks runs.
pub fn take_back(owner: &'static Owner) -> usize {
    let mut count = 0;
    for table in TABLES.iter().filter_map(Once::get) {
        loop {
            let first = table.lock().timers.ids(|callback| callback.is_of(Some(owner))).next();
            let Some(id) = first else { break };
            // Another thread of the driver may have destroyed it meanwhile.
            count += usize::from(destroy_of(Some(owner), id).is_ok());
        }
    }
    count
}
