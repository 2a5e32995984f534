//! Time and timers.
use core::ffi::{c_int, c_void};

/// The longest delay in a handler or with interrupts off, in nanoseconds.
pub const KERNEL_LONGEST_DELAY: u64 = 100_000;

/// A timer's callback. It runs like an interrupt handler, with interrupts off: it may call the functions marked \[any\] alone.
pub type TimerCallback = Option<unsafe extern "C" fn(context: *mut c_void)>;

unsafe extern "C" {
    /// \[any\] Returns the nanoseconds since the kernel has started its clock. No CPU reads an earlier time than another CPU has
    /// read before, if their counters are equal, as they are on most machines; otherwise they differ by less than 1 us.
    pub fn Kernel_GetTime() -> u64;

    /// \[any\] Spins for at least this time. In a handler and with interrupts off, the kernel refuses more than
    /// `KERNEL_LONGEST_DELAY`, returns at once, and logs the driver's first such call.
    pub fn Kernel_Delay(nanoseconds: u64);

    /// \[thread\] Creates a timer on a CPU, or with -1 on the calling one. The timer is not set. When it is due, that CPU calls
    /// `callback` with `context`. The kernel destroys the timer when the driver does not start, or goes.
    ///
    /// Returns the timer's id, which is above 0. Returns -1 if `callback` is null or not code, if the CPU is not online, if it has
    /// 511 timers already, if there is no memory, in a handler, and with interrupts off.
    pub fn Kernel_CreateTimer(callback: TimerCallback, context: *mut c_void, cpu: c_int) -> c_int;

    /// \[any\] Sets a timer: it is due when `Kernel_GetTime` returns `when`, and then each `period` nanoseconds, unless that is 0. A
    /// timer that was set before is due at the new time only; its callback may be running meanwhile. With `when` 0, the timer
    /// stops. A time that has passed is due at once. Times of a period that pass unnoticed are left out.
    ///
    /// Returns true. Returns false if the driver has no such timer; the first such call of a driver is logged.
    pub fn Kernel_SetTimer(timer: c_int, when: u64, period: u64) -> bool;

    /// \[thread\] Destroys a timer. On return its callback does not run, and will not run again.
    ///
    /// Returns true. Returns false if the driver has no such timer, in a handler, and with interrupts off; the first such call
    /// of a driver is logged.
    pub fn Kernel_DestroyTimer(timer: c_int) -> bool;
}
