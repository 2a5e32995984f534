//! Timers: each belongs to a CPU, which calls a function when the timer is due.
use crate::thread::{Cpu, conjured};
use core::ffi::{c_int, c_void};

/// A timer. Dropping it destroys it, and waits for its function to return.
#[derive(Debug)]
pub struct Timer(c_int);

impl Timer {
    /// Creates a timer of a CPU, or of the calling CPU, that is not set. When it is due, the CPU calls `expired` with `context`.
    /// Returns `None` if the CPU is not online, has too many timers, or if there is no memory.
    ///
    /// `expired` is a function, or a closure that captures nothing. It runs as an interrupt handler, with interrupts off: it must not
    /// wait or allocate.
    pub fn create<T, F>(cpu: Option<Cpu>, context: &'static T, expired: F) -> Option<Self>
    where
        T: Sync,
        F: Fn(&'static T) + Copy + Send + 'static,
    {
        let _ = expired;
        let context = core::ptr::from_ref(context).cast_mut().cast();
        // SAFETY: `call` takes a `&'static T` as its context, on any CPU, as `T` is `Sync`.
        let id = unsafe { abi::Kernel_CreateTimer(Some(call::<T, F>), context, cpu.unwrap_or(-1)) };
        (id > 0).then_some(Self(id))
    }

    /// Sets the timer: it is due once, when [`crate::time::now_ns`] returns `when_ns`; 0 stops it. May be called in a handler.
    pub fn set(&self, when_ns: u64) {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_SetTimer(self.0, when_ns, 0) };
    }

    /// Sets the timer: it is due when [`crate::time::now_ns`] returns `when_ns`, and from then on each `period_ns` nanoseconds. May be
    /// called in a handler. A `when_ns` of 0 stops it.
    pub fn set_each(&self, when_ns: u64, period_ns: u64) {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_SetTimer(self.0, when_ns, period_ns) };
    }

    /// Stops the timer. Its function may still run on another CPU. May be called in a handler.
    pub fn stop(&self) {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_SetTimer(self.0, 0, 0) };
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the function takes any number. In a handler it refuses, and logs that: the timer then stays, and so do the function
        // and its context, which are static.
        unsafe { abi::Kernel_DestroyTimer(self.0) };
    }
}

/// Calls the closure of this type, which captures nothing, with the value at `context`.
unsafe extern "C" fn call<T: Sync + 'static, F: Fn(&'static T) + Copy + Send + 'static>(
    context: *mut c_void,
) {
    let expired = conjured::<F>();
    // SAFETY: `Timer::create` alone names this function, with a `&'static T`.
    expired(unsafe { &*context.cast::<T>() });
}
