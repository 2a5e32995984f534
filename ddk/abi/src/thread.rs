//! Threads.
use core::ffi::{c_char, c_int, c_void};

/// The most bytes of a thread's name; what is longer is cut.
pub const KERNEL_THREAD_NAME_SIZE: usize = 32;

/// What a thread does. Returning is the same as `Kernel_ExitThread` with the value returned.
pub type ThreadEntry = Option<unsafe extern "C" fn(argument: *mut c_void) -> c_int>;

unsafe extern "C" {
    /// Creates a thread that calls `entry` with `argument`, and lets it run.
    ///
    /// It prefers `node`'s memory, and runs on a CPU of that node, the least busy one; with -1 as its creator. Its stack
    /// and its control block are on that node, as far as there is memory. `name` ends with a zero byte; null is a thread
    /// without a name.
    ///
    /// Returns its id, above 0. -1: `entry` is null or not code, `name` is not mapped, there is no such node, no
    /// memory, or too many threads.
    pub fn Kernel_CreateThread(
        name: *const c_char,
        entry: ThreadEntry,
        argument: *mut c_void,
        node: c_int,
    ) -> c_int;

    /// The calling thread's id.
    pub fn Kernel_GetCurrentThread() -> c_int;

    /// Ends the calling thread. Never returns. A thread that a driver did not create is not ended so: the call is
    /// logged, and the thread sleeps for good.
    pub fn Kernel_ExitThread(code: c_int);

    /// Waits until the thread has ended, and takes its id away. `code` receives its exit code, unless it is null.
    ///
    /// Returns 0. -1, at once: no such thread, somebody joins it or has joined it already, it is the calling thread, or
    /// `code` is misaligned or not mapped.
    pub fn Kernel_JoinThread(thread: c_int, code: *mut c_int) -> c_int;

    /// Lets other threads of this CPU have their turn.
    pub fn Kernel_YieldThread();

    /// Sleeps at least this long.
    pub fn Kernel_SleepThread(nanoseconds: u64);

    /// Lets the thread run on these CPUs only: bit n of word n/64 is CPU n, `words` words of 64 bits.
    ///
    /// Returns 0; the thread runs elsewhere no more. -1, and nothing is changed: no such thread, none of the CPUs is
    /// online, or `cpus` is null, misaligned or not mapped.
    pub fn Kernel_SetThreadAffinity(thread: c_int, cpus: *const u64, words: usize) -> c_int;

    /// Reads on which CPUs the thread may run, in the same form. Words beyond the machine's CPUs are zero.
    ///
    /// Returns 0. -1, and nothing is written: no such thread, a CPU has no place in so few words, or `cpus` is null,
    /// misaligned or not mapped.
    pub fn Kernel_GetThreadAffinity(thread: c_int, cpus: *mut u64, words: usize) -> c_int;
}
