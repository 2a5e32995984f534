//! What each vector leads to. Whoever owns a vector registers its handler.
use super::{preemption, shootdown, stop};
use crate::arch::{self, Frame, InterruptHandler, vectors};
use core::sync::atomic::{AtomicPtr, Ordering};

/// The vectors below are exceptions.
const EXCEPTIONS: u64 = 32;
const NON_MASKABLE: u64 = 2;

static HANDLERS: [AtomicPtr<()>; 256] = [const { AtomicPtr::new(nobody as *mut ()) }; 256];
static EXCEPTION: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Has `handler` called for this vector, on whichever CPU it comes, with interrupts off.
pub fn register(vector: u8, handler: fn(u8)) {
    HANDLERS[usize::from(vector)].store(handler as *mut (), Ordering::Release);
}

/// Has `report` called for exceptions.
pub(super) fn on_exception(report: fn(&Frame) -> !) {
    EXCEPTION.store(report as *mut (), Ordering::Release);
    register(vectors::WAKE, |_| {});
    register(vectors::SHOOTDOWN, |_| shootdown::answer());
}

fn nobody(vector: u8) {
    log::warn!(target: "interrupts", "vector {vector} came, which nobody asked for");
}

/// Where all vectors lead.
pub struct Handler;

impl InterruptHandler for Handler {
    extern "C" fn handle(frame: &Frame) {
        shootdown::leave_idle();
        match frame.vector {
            NON_MASKABLE if stop::is_order() => arch::halt_forever(),
            vector if vector < EXCEPTIONS => exception(frame),
            vector if vector == u64::from(vectors::SPURIOUS) => {}
            vector => interrupt(vector as u8),
        }
    }
}

fn exception(frame: &Frame) -> ! {
    let report = EXCEPTION.load(Ordering::Acquire);
    // SAFETY: set before the first table was loaded.
    unsafe { core::mem::transmute::<*mut (), fn(&Frame) -> !>(report)(frame) }
}

/// An interrupt; at its end another thread may have its turn.
fn interrupt(vector: u8) {
    arch::end_of_interrupt();
    let handler = HANDLERS[usize::from(vector)].load(Ordering::Relaxed);
    // SAFETY: only handlers are stored there.
    unsafe { core::mem::transmute::<*mut (), fn(u8)>(handler)(vector) };
    preemption::at_end_of_interrupt();
}
