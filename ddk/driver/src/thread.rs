//! Threads and CPUs.
use crate::memory::Node;
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

/// A thread that was created and not joined yet. A thread that nobody joins goes on, and its id and a page stay in use.
#[derive(Debug)]
pub struct Thread(c_int);

impl Thread {
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
        let argument = core::ptr::from_ref(argument).cast_mut().cast();
        let entry: abi::ThreadEntry = Some(call::<T, F>);
        // SAFETY: the name ends with a zero byte. `call` takes a `&'static T` as its argument, from any thread, as `T` is `Sync`.
        let id = unsafe { abi::Kernel_CreateThread(name.as_ptr(), entry, argument, node.unwrap_or(-1)) };
        (id > 0).then_some(Self(id))
    }

    /// Waits until the thread has ended, and returns its exit code. Returns `None` if it is the calling thread.
    pub fn join(self) -> Option<c_int> {
        let mut code = 0;
        // SAFETY: `code` is a local variable that nothing else refers to during the call.
        (unsafe { abi::Kernel_JoinThread(self.0, &mut code) } == 0).then_some(code)
    }

    /// Restricts the thread to one CPU. Returns false if it is not online.
    pub fn move_to(&self, cpu: Cpu) -> bool {
        move_thread(self.0, cpu)
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
unsafe extern "C" fn call<T: Sync + 'static, F: Fn(&'static T) -> c_int + Copy + Send + 'static>(
    argument: *mut c_void,
) -> c_int {
    let main = conjured::<F>();
    // SAFETY: `Thread::create` alone names this function, with a `&'static T`.
    main(unsafe { &*argument.cast::<T>() })
}

/// Returns a value of a function's type, or of a closure's that captures nothing. It was given to this crate before.
pub(crate) fn conjured<F: Copy + Send + 'static>() -> F {
    const { assert!(size_of::<F>() == 0, "the closure captures something") };
    // SAFETY: a type without bytes has one value, which is valid: the caller has had one of these, and it is `Copy`.
    unsafe { core::mem::zeroed() }
}
