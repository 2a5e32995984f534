//! Threads and CPUs.
use crate::device::Device;
use crate::memory::Node;
use crate::scope::{Kind, Record};
use core::ffi::{CStr, c_int, c_void};

/// A CPU: a number from 0 to [`cpus`].
pub type Cpu = c_int;

/// Returns the number of CPUs that firmware lists as enabled, at least 1.
#[must_use]
pub fn cpus() -> Cpu {
    // SAFETY: the function takes no arguments and may be called at any time.
    unsafe { abi::Kernel_GetCpuCount() }
}

/// Returns the CPU that runs the caller.
#[must_use]
pub fn current_cpu() -> Cpu {
    // SAFETY: the function takes no arguments and may be called at any time.
    unsafe { abi::Kernel_GetCurrentCpu() }
}

/// Returns true if the CPU runs.
#[must_use]
pub fn is_online(cpu: Cpu) -> bool {
    // SAFETY: the function takes any number.
    unsafe { abi::Kernel_IsCpuOnline(cpu) }
}

/// A thread that was created and not joined yet. If nobody joins it, it goes on. A thread of a device ends with the device: until the end
/// of [`crate::driver::DeviceDriver::remove`], the driver tells it to. The id and a page of another one stay in use.
#[derive(Debug)]
pub struct Thread<'d> {
    id: c_int,
    record: Option<&'d Record>,
}

impl Thread<'static> {
    /// Creates a thread that calls `main` with `argument`. It prefers the memory of `node`, or inherits its creator's preference.
    /// Returns `None` if there is no such node, no memory, or too many threads.
    ///
    /// `main` is a function, or a closure that captures nothing.
    pub fn create<T, F>(name: &CStr, node: Option<Node>, argument: &'static T, main: F) -> Option<Self>
    where
        T: Sync,
        F: Fn(&'static T) -> c_int + Copy + Send + 'static,
    {
        let _ = main;
        // SAFETY: the argument and the closure stay for good.
        let id = unsafe { create::<T, F>(name, node, argument) };
        (id > 0).then_some(Self { id, record: None })
    }
}

impl<'d> Device<'d> {
    /// Creates a thread of the device that calls `main` with `argument`. It prefers the memory of the device's node, if that is known. Returns
    /// `None` if there is no memory, or if there are too many threads. When the device is removed, or not added after all, the thread is joined.
    ///
    /// `main` is a function, or a closure that captures nothing.
    pub fn create_thread<T, F>(self, name: &CStr, argument: &'d T, main: F) -> Option<Thread<'d>>
    where
        T: Sync,
        F: Fn(&'d T) -> c_int + Copy + Send + 'd,
    {
        let _ = main;
        // SAFETY: the scope joins the thread before `'d` ends.
        let create = || unsafe { create::<T, F>(name, self.node(), argument) };
        let (id, record) = self.scope().create(Kind::Thread, create)?;
        Some(Thread { id, record: Some(record) })
    }
}

/// Creates a thread, and returns its id, or -1.
///
/// # Safety
/// The thread ends before the lifetime does.
unsafe fn create<'d, T: Sync, F: Fn(&'d T) -> c_int + Copy + Send + 'd>(
    name: &CStr,
    node: Option<Node>,
    argument: &'d T,
) -> c_int {
    let argument = core::ptr::from_ref(argument).cast_mut().cast();
    let entry: abi::ThreadEntry = Some(call::<T, F>);
    // SAFETY: the name ends with a zero byte. `call` takes a `&'d T` as its argument, from any thread, as `T` is `Sync`.
    unsafe { abi::Kernel_CreateThread(name.as_ptr(), entry, argument, node.unwrap_or(-1)) }
}

impl Thread<'_> {
    /// Waits until the thread has ended, and returns its exit code. Returns `None` if it is the calling thread, or if the driver stops.
    pub fn join(self) -> Option<c_int> {
        let mut code = 0;
        // SAFETY: `code` is a local variable that nothing else refers to during the call.
        let is_joined = unsafe { abi::Kernel_JoinThread(self.id, &mut code) } == 0;
        if let Some(record) = self.record.filter(|_| is_joined) {
            record.free();
        }
        is_joined.then_some(code)
    }

    /// Restricts the thread to one CPU. Returns false if it is not online.
    pub fn move_to(&self, cpu: Cpu) -> bool {
        move_thread(self.id, cpu)
    }
}

/// Restricts the calling thread to one CPU. Returns false if it is not online.
pub fn move_here_to(cpu: Cpu) -> bool {
    // SAFETY: the function takes no arguments and may be called at any time.
    move_thread(unsafe { abi::Kernel_GetCurrentThread() }, cpu)
}

fn move_thread(thread: c_int, cpu: Cpu) -> bool {
    let mut set = [0_u64; 16];
    let Some(word) = usize::try_from(cpu / 64).ok().and_then(|index| set.get_mut(index)) else {
        return false;
    };
    *word = 1 << (cpu % 64);
    // SAFETY: `set` is a local array of so many words, which nothing writes during the call.
    unsafe { abi::Kernel_SetThreadAffinity(thread, set.as_ptr(), set.len()) == 0 }
}

/// Lets the other threads that wait for this CPU run.
pub fn yield_now() {
    // SAFETY: the function takes no arguments; in a handler it does nothing.
    unsafe { abi::Kernel_YieldThread() };
}

/// Makes the calling thread sleep for at least this many nanoseconds.
pub fn sleep_ns(time_ns: u64) {
    // SAFETY: the function takes any number; in a handler it does nothing.
    unsafe { abi::Kernel_SleepThread(time_ns) };
}

/// Calls the closure of this type, which captures nothing, with the value at `argument`.
unsafe extern "C" fn call<'d, T: Sync + 'd, F: Fn(&'d T) -> c_int + Copy + Send + 'd>(
    argument: *mut c_void,
) -> c_int {
    let main = conjured::<F>();
    // SAFETY: `create` alone names this function, with a `&'d T`, and nothing calls it after `'d`.
    main(unsafe { &*argument.cast::<T>() })
}

/// Returns a value of a function's type, or of a closure's that captures nothing. It was given to this crate before.
pub(crate) fn conjured<F: Copy + Send>() -> F {
    const { assert!(size_of::<F>() == 0, "the closure captures something") };
    // SAFETY: a type without bytes has one value, which is valid: the caller has had one of these, and it is `Copy`.
    unsafe { core::mem::zeroed() }
}
