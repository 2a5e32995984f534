//! panics: a driver in Rust that panics, where its parameter `place` says. It has a block of heap memory by then.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::{AtomicUsize, Ordering};
use driver_kit::driver::Refusal;
use driver_kit::sync::SpinLock;
use driver_kit::thread::{self, Thread};
use driver_kit::timer::Timer;
use driver_kit::{parameter, time};

driver_kit::driver! { init = start, exit = stop }

#[global_allocator]
static HEAP: driver_kit::memory::Heap = driver_kit::memory::Heap;

const SECOND: u64 = 1_000_000_000;

static LOCK: SpinLock<[u64; 2]> = SpinLock::new([0; 2]);
static INDEX: AtomicUsize = AtomicUsize::new(2);

/// Panics with a spin lock held: the index is out of range.
fn panic_with_lock() {
    LOCK.lock()[INDEX.load(Ordering::Relaxed)] += 1;
}

fn panic_on_thread(_: &'static ()) -> c_int {
    panic_with_lock();
    0
}

fn start() -> Result<(), Refusal> {
    let place = parameter::number(c"place", 0..=4).ok_or(Refusal(-1))?;
    let mut block = Vec::new();
    block.try_reserve(100).map_err(|_| Refusal(-2))?;
    block.push(place);
    core::mem::forget(block);
    match place {
        0 => panic!("in Driver_Init"),
        1 => panic_with_lock(),
        2 => _ = Thread::create(c"panics", None, &(), panic_on_thread).and_then(Thread::join),
        3 => {
            let timer = Timer::create(None, &(), |_: &'static ()| panic_with_lock()).ok_or(Refusal(-3))?;
            timer.set(time::now_ns() + SECOND / 1000);
            thread::sleep_ns(100 * SECOND);
        }
        // In `stop`.
        _ => return Ok(()),
    }
    Err(Refusal(-4))
}

fn stop() {
    panic_with_lock();
}
