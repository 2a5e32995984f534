//! Timers of drivers: each belongs to a CPU, which calls the timer's callback as an interrupt handler.
//!
//! Setting a timer takes no lock, on any CPU, unless it becomes the first of its CPU: the lib `timer-heap`. The times there are
//! nanoseconds. The tick looks at the timers from the time on that [`TimerTimes`] gives, which changes when the first timer does.
use super::cpu_threads::{self, CpuThreads, TimerTimes};
use super::mutex::Mutex;
use super::owner::Owner;
use super::scheduler;
use super::used_kinds::UsedKind;
use super::whose_code::{self, number_of};
use crate::arch::{self, InterruptsOff};
use crate::clock;
use crate::cpu::code_mark::{self, KERNELS_HANDLER};
use crate::cpu::device_vectors;
use crate::cpu::{self, Cpu};
use crate::memory::allocate::{self, Zeroed};
use crate::memory::page_uses::PageUse;
use crate::sync::{Rank, SpinLock};
use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use spin::Once;
use timer_heap::{Due, Entry, NEVER, SLOTS, Shared, Timers, tag_of};
use topology::MAX_CPUS;
use units::{CpuId, FRAME_SIZE, FrameNumber, NodeId};

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

    /// Calls the function, unless its driver has failed.
    fn call(self, _: &InterruptsOff) {
        // A callback of the kernel's own, in tests, has no owner.
        let mark = self.owner.map_or(&KERNELS_HANDLER, Owner::handler_mark);
        if mark.has_failed() {
            return;
        }
        let (start, function) = (arch::ticks(), self.function as *const ());
        // SAFETY: by the condition of `Callback::new`. The timer is not destroyed before `running` says that the call has ended. Owners
        // live for ever.
        unsafe { code_mark::call_with_one::<0>(mark, function, self.context.addr()) };
        let ticks = arch::ticks().wrapping_sub(start);
        if device_vectors::is_overrun(ticks) {
            device_vectors::report_if_overrun(mark, function, ticks);
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

type TimerSlots = [Shared; SLOTS];

/// What the lock of a CPU's timers guards.
struct CpuTimers {
    timers: Timers<'static, Callback>,
    /// The timer whose callback the CPU runs.
    running: Option<TimerId>,
}

/// The slots of each CPU that has ever had a timer, by the CPU's index, which is the tag of the timers' ids; null for the others.
static SLOTS_OF: [AtomicPtr<TimerSlots>; MAX_CPUS] = [const { AtomicPtr::new(ptr::null_mut()) }; MAX_CPUS];
/// What goes with these slots, set before them.
static TIMERS_OF: [Once<&'static SpinLock<CpuTimers>>; MAX_CPUS] = [const { Once::new() }; MAX_CPUS];
const _: () = assert!(MAX_CPUS <= 1 << timer_heap::TAG_BITS);

/// Only one thread at a time makes the slots of a CPU.
static MAKING: Mutex<()> = Mutex::new(());

#[inline(always)]
fn slots_of(cpu: usize) -> Option<&'static TimerSlots> {
    // SAFETY: `make_slots` alone stores a pointer there, to slots that stay for good.
    unsafe { SLOTS_OF.get(cpu)?.load(Ordering::Acquire).as_ref() }
}

fn timers_of(cpu: usize) -> Option<&'static SpinLock<CpuTimers>> {
    TIMERS_OF.get(cpu)?.get().copied()
}

/// Allocates the slots of a CPU's timers, on the CPU's node or the nearest with memory. They are never freed. Returns `None` if there
/// is no memory.
fn make_slots(cpu: &Cpu) -> Option<&'static TimerSlots> {
    let _making = MAKING.lock();
    if let Some(slots) = slots_of(cpu.id.index()) {
        return Some(slots);
    }
    // All memory comes first: what one call has allocated is freed if a later one fails.
    let (slots, entries) = (Room::new(cpu.node, SLOTS)?, Room::new(cpu.node, SLOTS)?);
    let place = Room::new(cpu.node, 1)?;
    let slots: &'static [Shared] = slots.fill(Shared::new);
    let timers = Timers::new(slots, entries.fill(Entry::new), cpu.id.0);
    let timers = SpinLock::new(Rank::Timers, CpuTimers { timers, running: None });
    let timers = place.keep().first_mut()?.write(timers);
    TIMERS_OF.get(cpu.id.index())?.call_once(|| timers);
    let slots: &'static TimerSlots = slots.try_into().ok()?;
    SLOTS_OF.get(cpu.id.index())?.store(ptr::from_ref(slots).cast_mut(), Ordering::Release);
    Some(slots)
}

/// Memory for some values, which is freed unless it is kept.
struct Room<T> {
    first: FrameNumber,
    count: usize,
    values: PhantomData<T>,
}

impl<T> Room<T> {
    /// The frames of so many values.
    const fn frames(count: usize) -> u64 {
        ((size_of::<T>() * count) as u64).div_ceil(FRAME_SIZE)
    }

    /// Allocates memory for so many values.
    fn new(node: NodeId, count: usize) -> Option<Self> {
        const { assert!(align_of::<T>() as u64 <= FRAME_SIZE, "frames are aligned as the values must be") };
        let first =
            allocate::allocate_for_kernel(PageUse::Timers, node, Self::frames(count), Zeroed::No)?.frame;
        Some(Self { first, count, values: PhantomData })
    }

    /// Keeps the memory for good.
    fn keep(self) -> &'static mut [MaybeUninit<T>] {
        let memory = arch::physical_memory(self.first.address()).cast::<MaybeUninit<T>>();
        let count = self.count;
        core::mem::forget(self);
        // SAFETY: `new` has allocated the frames, which are mapped there and have room. Nothing frees them: `drop` does not run.
        unsafe { core::slice::from_raw_parts_mut(memory, count) }
    }

    /// Keeps the memory for good, with values in it.
    fn fill(self, value: fn() -> T) -> &'static mut [T] {
        let memory = self.keep();
        memory.iter_mut().for_each(|place| _ = place.write(value()));
        // SAFETY: the line above has initialized each value.
        unsafe { memory.assume_init_mut() }
    }
}

impl<T> Drop for Room<T> {
    fn drop(&mut self) {
        // The frames were just granted, so the free is not refused.
        let _ = allocate::free_for_kernel(PageUse::Timers, self.first, Self::frames(self.count));
    }
}

/// Creates a timer of `cpu` that is not set.
///
/// # Errors
/// [`TimerError::TooMany`] or [`TimerError::NoMemory`].
pub fn create(cpu: &Cpu, callback: Callback) -> Result<TimerId, TimerError> {
    let there = slots_of(cpu.id.index());
    let slots = there.or_else(|| make_slots(cpu)).ok_or(TimerError::NoMemory)?;
    let timers = timers_of(cpu.id.index()).ok_or(TimerError::NoMemory)?;
    if let Some(owner) = callback.owner {
        owner.used().note(UsedKind::Timers);
    }
    let owner = number_of(callback.owner);
    loop {
        let slot = timer_heap::free_slot(slots, owner).ok_or(TimerError::TooMany)?;
        // Another thread may have taken the slot meanwhile.
        if let Some(id) = timers.lock().timers.create(slot, owner, callback) {
            return Ok(id);
        }
    }
}

/// Sets a timer of the calling driver: it is due when `clock::time_ns` returns `when`, and then each `period` nanoseconds unless
/// that is 0. A `when` of 0 stops it. Returns true, or what `refuse` returns for [`TimerError::NoSuchTimer`] or
/// [`TimerError::Foreign`]. Handlers may call this.
#[inline(always)]
pub fn set(id: TimerId, when: u64, period: u64, refuse: impl FnOnce(TimerError) -> bool) -> bool {
    let owner = whose_code::calling_number();
    let Some(timer) = slots_of(tag_of(id) as usize).and_then(|slots| timer_heap::find(slots, id)) else {
        return refuse(TimerError::NoSuchTimer);
    };
    if timer.owner() != owner {
        return refuse(TimerError::Foreign);
    }
    let when = if when == 0 { NEVER } else { when };
    // The rare ways end with a call, so that the usual one saves no register.
    if timer.set(when, period) { requeue(id) } else { true }
}

/// Moves a timer up in the heap, and has its CPU interrupted in time if it is the first one now. Returns true.
#[cold]
#[inline(never)]
fn requeue(id: TimerId) -> bool {
    if let Some((timers, cpu)) = timers_of(tag_of(id) as usize).zip(cpu::get(CpuId(tag_of(id)))) {
        let mut cpu_timers = timers.lock();
        if cpu_timers.timers.requeue(id) {
            request_interrupt(cpu, &cpu_timers.timers);
        }
    }
    // A compiler that knew the result would not end the caller with this call.
    core::hint::black_box(true)
}

/// Has a CPU interrupted when its first timer is due, which is earlier than before. The caller holds the lock.
fn request_interrupt(cpu: &Cpu, timers: &Timers<'static, Callback>) {
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
    let Some(table) = timers_of(cpu.id().index()) else { return false };
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
    destroy_of(number_of(cpu_threads::current_thread().driver()), id)
}

fn destroy_of(owner: usize, id: TimerId) -> Result<(), TimerError> {
    scheduler::assert_may_wait();
    let slots = slots_of(tag_of(id) as usize).ok_or(TimerError::NoSuchTimer)?;
    let timers = timers_of(tag_of(id) as usize).ok_or(TimerError::NoSuchTimer)?;
    // The tick may look once for nothing.
    if !timers.lock().timers.destroy(id, owner) {
        let is_there = timer_heap::find(slots, id).is_some();
        return Err(if is_there { TimerError::Foreign } else { TimerError::NoSuchTimer });
    }
    // Another CPU may run the callback, which does not wait for anything.
    while timers.lock().running == Some(id) {
        scheduler::yield_now();
        core::hint::spin_loop();
    }
    Ok(())
}

/// Destroys all timers of a driver, and returns how many there were. On return none of their callbacks runs.
pub fn take_back(owner: &'static Owner) -> usize {
    if !owner.used().has(UsedKind::Timers) {
        return 0;
    }
    let (mut count, owner) = (0, number_of(Some(owner)));
    for cpu in cpu::all().map(|cpu| cpu.id.index()) {
        let Some(slots) = slots_of(cpu) else { continue };
        // A thread of the driver that still runs may destroy one meanwhile.
        count += timer_heap::ids_of(slots, owner).filter(|id| destroy_of(owner, *id).is_ok()).count();
    }
    count
}

/// Returns how many timers a driver has.
pub fn count_of(owner: &'static Owner) -> usize {
    let owner = number_of(Some(owner));
    let slots = cpu::all().filter_map(|cpu| slots_of(cpu.id.index()));
    slots.map(|slots| timer_heap::ids_of(slots, owner).count()).sum()
}

/// Lets other drivers use the slots of a driver that has no timers and no threads any more.
pub fn release_slots(owner: &'static Owner) {
    if !owner.used().has(UsedKind::Timers) {
        return;
    }
    for timers in cpu::all().filter_map(|cpu| timers_of(cpu.id.index())) {
        timers.lock().timers.release(number_of(Some(owner)));
    }
}
