//! The handlers of interrupts and exceptions: the owner of a vector registers its handler here.
use super::hook::Hook;
use super::identity::Cpu;
use super::{cpu_local, deferred, device_vectors, grace_period, look, shootdown, stop};
use crate::arch::{self, Frame, InterruptHandler, InterruptsOff, add_to_cpu_local_element, guarded, vectors};
use core::sync::atomic::{AtomicU64, Ordering};
use last_words::StopOrder;

/// The vectors below this are exceptions.
const EXCEPTIONS: u32 = 32;
const NON_MASKABLE: u32 = 2;

static HANDLERS: [Hook<fn(&InterruptsOff)>; 256] = [const { Hook::new() }; 256];
static EXCEPTION: Hook<fn(&Frame) -> !> = Hook::new();
static CONTAIN: Hook<fn(&mut Frame) -> bool> = Hook::new();
static END_THREAD: Hook<fn(&Frame)> = Hook::new();

/// Sets the function that handles exceptions which are not the kernel's own. It returns false for others; else the CPU continues as the
/// frame says. It is called with interrupts off.
pub fn contain_with(contain: fn(&mut Frame) -> bool) {
    CONTAIN.set(contain);
}

/// Sets the function that ends the running thread if that is due. It is called with interrupts off, at the end of an interrupt.
pub fn end_threads_with(end_if_due: fn(&Frame)) {
    END_THREAD.set(end_if_due);
}

/// Registers the function that is called for this vector, on the CPU that is interrupted.
pub fn register(vector: u8, handler: fn(&InterruptsOff)) {
    HANDLERS[usize::from(vector)].set(handler);
}

/// Registers the function that is called for exceptions, and the handlers of this folder's own vectors.
pub(super) fn init(exception: fn(&Frame) -> !) {
    EXCEPTION.set(exception);
    // The handler has nothing to do: a CPU that was interrupted while it halted looks for work.
    register(vectors::WAKE, |_| {});
    register(vectors::SHOOTDOWN, |_| shootdown::answer());
    grace_period::register();
    register(vectors::BARRIER, device_vectors::answer);
}

/// The handler of all vectors, which the stubs of `arch` call.
pub struct Handler;

impl InterruptHandler for Handler {
    extern "C" fn handle(frame: &mut Frame) {
        // First of all: an exception may mean that the CPU's own data are damaged, which everything below uses.
        if frame.vector < EXCEPTIONS {
            return exception(frame);
        }
        // SAFETY: the entries of the interrupt table are interrupt gates, so the CPU has switched interrupts off. They stay off
        // until the CPU returns from the interrupt; a thread that runs before that restores them off when it switches back.
        let off = unsafe { InterruptsOff::assume() };
        shootdown::leave_idle(&off);
        if frame.vector < u32::from(vectors::END_THREAD) {
            interrupt(frame.vector as u8, &off);
        } else if frame.vector == u32::from(vectors::END_THREAD) {
            end_thread(frame);
        }
    }

    extern "C" fn handle_device(vector: u32) {
        // SAFETY: as in `handle`.
        let off = unsafe { InterruptsOff::assume() };
        shootdown::leave_idle(&off);
        if !device_vectors::run_handlers(vector as u8, &off) {
            report_unregistered(vector as u8);
        }
        // Behind the handlers: until a handler has spoken to its device, the device's line asks again.
        arch::end_of_interrupt();
        deferred::run(&off);
    }
}

/// Ends the running thread if that is due: then this does not return. Looks at what the CPU runs.
#[cold]
fn end_thread(frame: &mut Frame) {
    arch::end_of_interrupt();
    add_to_cpu_local_element!(TAKEN, count_of(vectors::END_THREAD), const 1);
    look::look_here(frame);
    if let Some(end_if_due) = END_THREAD.get() {
        end_if_due(frame);
    }
}

/// Handles an exception. Returns only after a guarded access, and from an order to stop that this CPU does not follow.
#[cold]
fn exception(frame: &mut Frame) {
    if guarded::continue_at_fixup(frame) {
        return;
    }
    if frame.vector == NON_MASKABLE {
        match stop::order_of(frame) {
            StopOrder::None if look::answer(frame) => return,
            StopOrder::None => {}
            StopOrder::GoOn => return,
            StopOrder::Stop => arch::halt_forever(),
        }
    }
    if CONTAIN.get().is_some_and(|contain| contain(frame)) {
        return;
    }
    match EXCEPTION.get() {
        Some(report) => report(frame),
        None => arch::halt_forever(),
    }
}

/// How often each vector interrupted a CPU without having a handler.
static UNEXPECTED: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];

/// Returns how many interrupts with this vector had no handler.
pub fn unexpected(vector: u8) -> u64 {
    UNEXPECTED[usize::from(vector)].load(Ordering::Relaxed)
}

/// Counts one interrupt with this vector, so that none is logged: the self-test sends such interrupts itself.
pub fn keep_unlogged(vector: u8) {
    UNEXPECTED[usize::from(vector)].fetch_add(1, Ordering::Relaxed);
}

/// Counts the interrupt. Logs the first of a vector only: a device whose interrupt nobody handles may repeat it for ever.
#[cold]
fn report_unregistered(vector: u8) {
    if UNEXPECTED[usize::from(vector)].fetch_add(1, Ordering::Relaxed) == 0 {
        log::warn!(
            target: "interrupts",
            "an interrupt with vector {vector:#x} has no handler; later ones of this vector are only counted"
        );
    }
}

/// The counts of a CPU. Each vector from [`vectors::TIMER`] on has its own, and so has [`vectors::BARRIER`].
const COUNTS: usize = 128;

cpu_local! {
    /// How often the CPU was interrupted with each vector, except for those of devices.
    static TAKEN: [AtomicU64; COUNTS] = [const { AtomicU64::new(0) }; COUNTS];
}

const fn count_of(vector: u8) -> usize {
    vector.wrapping_sub(vectors::TIMER) as usize % COUNTS
}

/// Returns how often a CPU was interrupted with a vector that is no device's: by its timer, by another CPU or by itself.
pub fn taken(cpu: &Cpu, vector: u8) -> u64 {
    TAKEN.of(cpu)[count_of(vector)].load(Ordering::Relaxed)
}

/// Handles an interrupt, then does the work that is pending. Other threads may run before this returns.
fn interrupt(vector: u8, off: &InterruptsOff) {
    arch::end_of_interrupt();
    add_to_cpu_local_element!(TAKEN, count_of(vector), const 1);
    match HANDLERS[usize::from(vector)].get() {
        Some(handler) => handler(off),
        None => report_unregistered(vector),
    }
    deferred::run(off);
}
