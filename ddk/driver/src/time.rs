//! The time.

/// Returns the nanoseconds since the kernel has started its clock. It is one clock for all CPUs. May be called in a handler.
#[inline]
#[must_use]
pub fn now_ns() -> u64 {
    // SAFETY: the function takes no arguments and may be called at any time.
    unsafe { abi::Kernel_GetTime() }
}

/// Spins for at least so many nanoseconds. In a handler, or with a spin lock held, the kernel refuses more than 100 us.
pub fn delay_ns(time_ns: u64) {
    // SAFETY: the function takes any number.
    unsafe { abi::Kernel_Delay(time_ns) };
}
