//! Waiting for as long as hardware asks, before the kernel has a clock: by the PIT's second channel.
//!
//! The channel counts down at 1.193182 MHz and its output shows in port 0x61 bit 5 (Intel 8254; every PC since the AT).
use ::x86_64::instructions::port::Port;
use core::sync::atomic::{AtomicU64, Ordering};

const PIT_HZ: u64 = 1_193_182;
/// The longest single count: 16 bits, some 54 ms.
const LONGEST_US: u64 = 50_000;
/// Ticks of the time stamp counter for each microsecond waited after which a PIT that does not count is given up; no CPU
/// ticks faster than 10 GHz.
const MOST_TICKS_PER_US: u64 = 10_000;

const CONTROL: u16 = 0x43;
const CHANNEL_2: u16 = 0x42;
const GATE: u16 = 0x61;

/// Ticks spent waiting so far, to be told apart from work.
static WAITED: AtomicU64 = AtomicU64::new(0);

/// Ticks of the time stamp counter that were spent in waits which hardware asks for.
pub fn waited_ticks() -> u64 {
    WAITED.load(Ordering::Relaxed)
}

/// Waits at least this long, until `done` says so at the latest. Returns whether `done` did.
pub fn wait_until(timeout_us: u64, done: impl FnMut() -> bool) -> bool {
    let start = super::ticks();
    let is_done = wait_slices(timeout_us, done);
    WAITED.fetch_add(super::ticks().wrapping_sub(start), Ordering::Relaxed);
    is_done
}

fn wait_slices(mut timeout_us: u64, mut done: impl FnMut() -> bool) -> bool {
    loop {
        let slice_us = timeout_us.min(LONGEST_US);
        if wait_slice(slice_us, &mut done) {
            return true;
        }
        timeout_us -= slice_us;
        if timeout_us == 0 {
            return done();
        }
    }
}

/// Waits at least this long.
pub fn wait(time_us: u64) {
    wait_until(time_us, || false);
}

fn wait_slice(slice_us: u64, done: &mut impl FnMut() -> bool) -> bool {
    start_count((slice_us * PIT_HZ).div_ceil(1_000_000) as u16);
    let start = super::ticks();
    let give_up_after = slice_us * MOST_TICKS_PER_US;
    // SAFETY: reading port 0x61 changes nothing.
    while unsafe { Port::<u8>::new(GATE).read() } & 0x20 == 0 {
        if done() {
            return true;
        }
        if super::ticks().wrapping_sub(start) > give_up_after {
            break;
        }
        core::hint::spin_loop();
    }
    false
}

fn start_count(count: u16) {
    let [low, high] = count.max(1).to_le_bytes();
    let mut gate = Port::<u8>::new(GATE);
    // SAFETY: channel 2 drives nothing but the speaker, which the gate's bit 1 keeps disconnected; nobody else uses it, as
    // only the boot CPU waits this way.
    unsafe {
        let closed = gate.read() & !0x03;
        gate.write(closed);
        // Channel 2, both bytes, mode 0: the output rises at the end of the count.
        Port::<u8>::new(CONTROL).write(0b1011_0000);
        Port::<u8>::new(CHANNEL_2).write(low);
        Port::<u8>::new(CHANNEL_2).write(high);
        gate.write(closed | 0x01);
    }
}
