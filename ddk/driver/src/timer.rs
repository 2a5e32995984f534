//! Timers: each belongs to a CPU, which calls a function when the timer is due.
use crate::device::Device;
use crate::scope::{self, Kind, Record};
use crate::thread::{Cpu, conjured};
use core::ffi::{c_int, c_void};

/// A timer. Dropping it destroys it, and waits for its function to return. A timer of a device ends with the device, if not before.
#[derive(Debug)]
pub struct Timer<'d> {
    id: c_int,
    record: Option<&'d Record>,
}

impl Timer<'static> {
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
        // SAFETY: the context and the closure stay for good.
        let id = unsafe { create::<T, F>(cpu, context) };
        // Not `then_some`: it would make a timer, and destroy it.
        (id > 0).then(|| Self { id, record: None })
    }
}

impl<'d> Device<'d> {
    /// Creates a timer of the device, as [`Timer::create`] does. Its context lives as long as the device.
    pub fn create_timer<T, F>(self, cpu: Option<Cpu>, context: &'d T, expired: F) -> Option<Timer<'d>>
    where
        T: Sync,
        F: Fn(&'d T) + Copy + Send + 'd,
    {
        let _ = expired;
        // SAFETY: the scope destroys the timer before `'d` ends.
        let create = || unsafe { create::<T, F>(cpu, context) };
        let (id, record) = self.scope().create(Kind::Timer, create)?;
        Some(Timer { id, record: Some(record) })
    }
}

/// Creates a timer, and returns its id, or -1.
///
/// # Safety
/// The timer is destroyed before the lifetime ends.
unsafe fn create<'d, T: Sync, F: Fn(&'d T) + Copy + Send + 'd>(cpu: Option<Cpu>, context: &'d T) -> c_int {
    let context = core::ptr::from_ref(context).cast_mut().cast();
    // SAFETY: `call` takes a `&'d T` as its context, on any CPU, as `T` is `Sync`.
    unsafe { abi::Kernel_CreateTimer(Some(call::<T, F>), context, cpu.unwrap_or(-1)) }
}

impl Timer<'_> {
    /// Sets the timer: it is due once, when [`crate::time::now_ns`] returns `when_ns`; 0 stops it. May be called in a handler.
    pub fn set(&self, when_ns: u64) {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_SetTimer(self.id, when_ns, 0) };
    }

    /// Sets the timer: it is due when [`crate::time::now_ns`] returns `when_ns`, and from then on each `period_ns` nanoseconds. May be
    /// called in a handler. A `when_ns` of 0 stops it.
    pub fn set_each(&self, when_ns: u64, period_ns: u64) {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_SetTimer(self.id, when_ns, period_ns) };
    }

    /// Stops the timer. Its function may still run on another CPU. May be called in a handler.
    pub fn stop(&self) {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_SetTimer(self.id, 0, 0) };
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.record {
            scope::end_timer(record);
        } else {
            // SAFETY: the function takes any number. In a handler it refuses, and logs that: the timer then stays, and so do the function
            // and its context, which are static.
            unsafe { abi::Kernel_DestroyTimer(self.id) };
        }
    }
}

/// Calls the closure of this type, which captures nothing, with the value at `context`.
unsafe extern "C" fn call<'d, T: Sync + 'd, F: Fn(&'d T) + Copy + Send + 'd>(context: *mut c_void) {
    let expired = conjured::<F>();
    // SAFETY: `create` alone names this function, with a `&'d T`, and nothing calls it after `'d`.
    expired(unsafe { &*context.cast::<T>() });
}
