//! Threads.
use core::ffi::{c_char, c_int, c_void};

/// The longest name of a thread, in bytes. The rest of a longer name is cut off.
pub const KERNEL_THREAD_NAME_SIZE: usize = 32;

/// A thread's entry function. Returning a value ends the thread as `Kernel_ExitThread` with that value does.
pub type ThreadEntry = Option<unsafe extern "C" fn(argument: *mut c_void) -> c_int>;

unsafe extern "C" {
    /// Creates a thread that calls `entry` with `argument`, and starts it.
    ///
    /// The thread prefers the memory of `node` and starts on the least busy CPU of that node. With -1 it inherits its
    /// creator's preference. Its stack and its control block lie on that node, or on the nearest node that has memory. It
    /// may run on every CPU. `name` ends with a zero byte; null means a thread without a name.
    ///
    /// Returns the thread's id, which is above 0 and stays in use until a thread joins it. Returns -1 if `entry` is null or
    /// not code, if `name` is not mapped, if there is no such node or not enough memory, or if there are too many threads.
    pub fn Kernel_CreateThread(
        name: *const c_char,
        entry: ThreadEntry,
        argument: *mut c_void,
        node: c_int,
    ) -> c_int;

    /// Returns the calling thread's id.
    pub fn Kernel_GetCurrentThread() -> c_int;

    /// Ends the calling thread, and never returns. In `Driver_Init`, the call is the same as returning `code`.
    pub fn Kernel_ExitThread(code: c_int);

    /// Waits until the thread has ended, and releases its id. `code` receives the exit code, unless it is null.
    ///
    /// Returns 0. Returns -1 at once if no driver created such a thread, if another thread joins it or one has joined it
    /// already, if it is the calling thread or that of a `Driver_Init`, or if `code` is misaligned or not mapped.
    pub fn Kernel_JoinThread(thread: c_int, code: *mut c_int) -> c_int;

    /// Lets the other threads that wait for this CPU run.
    pub fn Kernel_YieldThread();

    /// Makes the calling thread sleep for at least this time.
    pub fn Kernel_SleepThread(nanoseconds: u64);

    /// Restricts a thread to these CPUs. The thread runs a driver's code. CPU n is bit n % 64
    /// of `cpus[n / 64]`, and `cpus` has `words` elements. CPUs that are not online are ignored.
    ///
    /// Returns 0; on return the thread runs on none of the other CPUs. Returns -1, and changes nothing, if there is no such
    /// thread, if none of the CPUs is online, or if `cpus` is null, misaligned or not mapped.
    pub fn Kernel_SetThreadAffinity(thread: c_int, cpus: *const u64, words: usize) -> c_int;

    /// Reads the online CPUs that a thread may run on. CPU n is bit n % 64 of `cpus[n / 64]`, and `cpus` has `words`
    /// elements. The other bits become zero.
    ///
    /// Returns 0. Returns -1, and writes nothing, if there is no such thread, if `words` is too small for one of the CPUs
    /// or above 131,072, or if `cpus` is null, misaligned or not mapped.
    pub fn Kernel_GetThreadAffinity(thread: c_int, cpus: *mut u64, words: usize) -> c_int;
}
