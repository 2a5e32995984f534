//! Waits of a length that hardware prescribes, before the kernel has a clock. Channel 2 of the PIT times them (Intel 8254).
//!
//! The channel counts down at 1.193182 MHz. Port 0x61, bit 5, shows its output. Only the boot CPU waits this way.
use super::instructions::ticks;
use ::x86_64::instructions::port::Port;
use core::sync::atomic::{AtomicU64, Ordering};

const PIT_HZ: u64 = 1_193_182;
/// The longest wait with one count. The counter has 16 bits, enough for 54 ms.
const LONGEST_US: u64 = 50_000;
/// How many ticks of the time stamp counter a microsecond may take before a PIT is taken to stand still. No CPU ticks faster
/// than 10 GHz.
const MOST_TICKS_PER_US: u64 = 10_000;

const CONTROL: u16 = 0x43;
const CHANNEL_2: u16 = 0x42;
const GATE: u16 = 0x61;

/// The ticks of the time stamp counter that were spent in these waits.
static WAITED: AtomicU64 = AtomicU64::new(0);

/// Returns the ticks of the time stamp counter that were spent in these waits. Benchmarks subtract them: they are no work.
pub fn waited_ticks() -> u64 {
    WAITED.load(Ordering::Relaxed)
}

/// Waits until `done` returns true, or at least `timeout_us` microseconds have passed. Returns true if `done` did.
pub fn wait_until(timeout_us: u64, done: impl FnMut() -> bool) -> bool {
    let start = ticks();
    let is_done = wait_slices(timeout_us, done);
    WAITED.fetch_add(ticks().wrapping_sub(start), Ordering::Relaxed);
    is_done
}

/// Waits as [`wait_until`] does, in slices that one count can time.
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

/// Waits at least `time_us` microseconds.
pub fn wait(time_us: u64) {
    wait_until(time_us, || false);
}

/// Waits until `done` returns true, or `slice_us` microseconds have passed, at most [`LONGEST_US`]. Returns true if `done` did.
fn wait_slice(slice_us: u64, done: &mut impl FnMut() -> bool) -> bool {
    start_count((slice_us * PIT_HZ).div_ceil(1_000_000) as u16);
    let start = ticks();
    let give_up_after = slice_us * MOST_TICKS_PER_US;
    // SAFETY: reading port 0x61 has no effect.
    while unsafe { Port::<u8>::new(GATE).read() } & 0x20 == 0 {
        if done() {
            return true;
        }
        if ticks().wrapping_sub(start) > give_up_after {
            break;
        }
        core::hint::spin_loop();
    }
    false
}

/// Makes channel 2 count down from `count`.
fn start_count(count: u16) {
    let [low, high] = count.max(1).to_le_bytes();
    let mut gate = Port::<u8>::new(GATE);
    // SAFETY: channel 2 drives only the speaker, which the gate's bit 1 keeps disconnected. Only this file uses these ports, on
    // the boot CPU alone.
    unsafe {
        let closed = gate.read() & !0x03;
        gate.write(closed);
        // Channel 2, both bytes, mode 0: the output goes high at the end of the count.
        Port::<u8>::new(CONTROL).write(0b1011_0000);
        Port::<u8>::new(CHANNEL_2).write(low);
        Port::<u8>::new(CHANNEL_2).write(high);
        gate.write(closed | 0x01);
    }
}
