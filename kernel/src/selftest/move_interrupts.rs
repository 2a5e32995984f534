//! For the parameter `move-interrupts`: a thread moves each interrupt of each device from CPU to CPU, as long as the machine runs.
use crate::cpu::{self, Cpu, device_vectors};
use crate::devices::device_registry::{self, Device};
use crate::devices::interrupt_move;
use crate::threads::lifecycle::{self, CreateError};
use crate::threads::sleep;
use crate::threads::thread::{Start, ThreadId};
use core::ffi::c_void;

/// The pause after a round.
const PAUSE_NS: u64 = 1_000_000;

/// Starts the thread.
///
/// # Errors
/// [`CreateError`]; nothing was created.
pub fn start() -> Result<ThreadId, CreateError> {
    // SAFETY: `run` ignores its argument.
    let start = unsafe { Start::new(run, core::ptr::null_mut()) };
    lifecycle::create("move-interrupts", start, None)
}

unsafe extern "C" fn run(_: *mut c_void) -> i32 {
    loop {
        device_registry::all().iter().for_each(move_all_of);
        sleep::sleep_ns(PAUSE_NS);
    }
}

fn move_all_of(device: &'static Device) {
    let mut index = 0;
    while let Some(interrupt) = device.interrupts.describe(index) {
        if let (Some(place), Some(owner), Some(may_wait)) =
            (interrupt.place, device.owner(), device_vectors::may_wait())
        {
            // A CPU without a free vector leaves the interrupt where it is until the next round.
            interrupt_move::set_cpu(device, owner, index, cpu_after(place.cpu), &may_wait);
        }
        index += 1;
    }
}

/// Returns the next online CPU, in a ring.
fn cpu_after(cpu: &'static Cpu) -> &'static Cpu {
    let later = cpu::online().find(|other| other.id > cpu.id);
    later.or_else(|| cpu::online().next()).unwrap_or(cpu)
}
