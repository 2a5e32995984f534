//! Threads.
use core::ffi::{c_char, c_int, c_void};

/// The most bytes of a thread's name; what is longer is cut.
pub const KERNEL_THREAD_NAME_SIZE: usize = 32;

/// What a thread does. Returning is the same as `Kernel_ExitThread` with the value returned.
pub type ThreadEntry = Option<unsafe extern "C" fn(argument: *mut c_void) -> c_int>;

unsafe extern "C" {
    /// Creates a thread that calls `entry` with `argument`, and lets it run.
    ///
    /// It prefers `node`'s memory, and begins on a CPU of that node, the least busy one; with -1 it prefers what its
    /// creator does. Its stack and its control block are on that node, as far as there is memory, else on the nearest.
    /// It may run on every CPU. `name` ends with a zero byte; null is a thread without a name.
    ///
    /// Returns its id, above 0, which stays taken until somebody joins the thread. -1: `entry` is null or not code,
    /// `name` is not mapped, there is no such node, no memory, or too many threads.
    pub fn Kernel_CreateThread(
        name: *const c_char,
        entry: ThreadEntry,
        argument: *mut c_void,
        node: c_int,
    ) -> c_int;

    /// The calling thread's id.
    pub fn Kernel_GetCurrentThread() -> c_int;

    /// Ends the calling thread. Never returns. A thread that a driver did not create, such as that of `Driver_Init`, is
    /// not ended so: the call is logged, and the thread sleeps for good.
    pub fn Kernel_ExitThread(code: c_int);

    /// Waits until the thread has ended, and takes its id away. `code` receives its exit code, unless it is null.
    ///
    /// Returns 0. -1, at once: no driver created such a thread, somebody joins it or has joined it already, it is the
    /// calling thread, or `code` is misaligned or not mapped.
    pub fn Kernel_JoinThread(thread: c_int, code: *mut c_int) -> c_int;

    /// Lets the other threads of this CPU have their turn.
    pub fn Kernel_YieldThread();

    /// Sleeps at least this long.
    pub fn Kernel_SleepThread(nanoseconds: u64);

    /// Lets the thread, the calling one or one that a driver created, run on these CPUs only: CPU n is bit n % 64 of
    /// `cpus[n / 64]`, and `words` says how many elements there are. CPUs that are not online are passed over.
    ///
    /// Returns 0; the thread leaves any other CPU at once. -1, and nothing is changed: no such thread, none of the CPUs
    /// is online, or `cpus` is null, misaligned or not mapped.
    pub fn Kernel_SetThreadAffinity(thread: c_int, cpus: *const u64, words: usize) -> c_int;

    /// Reads on which of the CPUs that are online the thread may run, in the same form. What is left of `cpus` is zero.
    ///
    /// Returns 0. -1, and nothing is written: no such thread, a CPU has no place in so few words, or `cpus` is null,
    /// misaligned or not mapped.
    pub fn Kernel_GetThreadAffinity(thread: c_int, cpus: *mut u64, words: usize) -> c_int;
}
