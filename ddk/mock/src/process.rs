//! A process of its own for each run: the driver's statics are as they are when it is loaded, and a crash ends the run and not the test.
use std::fs::File;
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

/// The longest time that a run may take, in seconds of the host.
const LIMIT_S: u32 = 60;
/// The exit code of a run that has failed, and has reported why.
const FAILED: i32 = 101;

/// The exit code of a run that has answered with true. Sanitizers and the C library use others.
const YES: i32 = 77;

/// The hook of panics is set.
static HOOK: Once = Once::new();

/// Where a run reports why it has failed: a descriptor, or -1.
static REPORT: AtomicI32 = AtomicI32::new(-1);

/// Runs `run` in a process of its own. Returns `Ok` if it returns, otherwise why it did not. After a panic there comes what `describe`
/// returns.
pub fn fork(run: impl FnOnce(), describe: fn() -> String) -> Result<(), String> {
    let with_answer = || {
        run();
        false
    };
    fork_with_answer(with_answer, describe).map(|_| ())
}

/// Runs `run` in a process of its own, as [`fork`] does. Returns what it returns.
pub fn fork_with_answer(run: impl FnOnce() -> bool, describe: fn() -> String) -> Result<bool, String> {
    start(run, describe).wait()
}

/// A run that has begun.
pub struct Child {
    process: libc::pid_t,
    report: File,
}

/// Begins to run `run` in a process of its own, as [`fork`] does.
pub fn start(run: impl FnOnce() -> bool, describe: fn() -> String) -> Child {
    HOOK.call_once(|| set_hook(describe));
    let mut ends = [0; 2];
    // SAFETY: the array has room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0, "there is no pipe");
    // SAFETY: the new process has this thread only. It runs the test and ends without returning; of what other threads may have locked it
    // uses the allocator alone, which the C library unlocks.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "there is no process");
    if process == 0 {
        // SAFETY: the descriptor is open, and this process's own.
        unsafe { libc::close(ends[0]) };
        run_and_exit(ends[1], run);
    }
    // SAFETY: the first descriptor is open, and the file alone uses it from here on. This process does not write to the second one.
    let report = unsafe {
        libc::close(ends[1]);
        File::from_raw_fd(ends[0])
    };
    Child { process, report }
}

impl Child {
    /// Waits for the end of the run. Returns what it has returned, or why it has not.
    pub fn wait(mut self) -> Result<bool, String> {
        // A run that waits for another one has the other's limit.
        // SAFETY: this ends an alarm.
        unsafe { libc::alarm(0) };
        let mut report = Vec::new();
        let _ = self.report.read_to_end(&mut report);
        let report = String::from_utf8_lossy(&report).into_owned();
        let mut status = 0;
        // SAFETY: the child is this process's, and nobody else waits for it.
        while unsafe { libc::waitpid(self.process, &mut status, 0) } < 0 {}
        if REPORT.load(Ordering::Relaxed) >= 0 {
            // SAFETY: the alarm has no handler, so it ends the process.
            unsafe { libc::alarm(LIMIT_S) };
        }
        if libc::WIFSIGNALED(status) {
            return Err(report + &reason(libc::WTERMSIG(status)));
        }
        match libc::WEXITSTATUS(status) {
            0 if report.is_empty() => Ok(false),
            YES if report.is_empty() => Ok(true),
            code if report.is_empty() => Err(format!("the run has exited with the code {code}")),
            _ => Err(report),
        }
    }
}

/// Runs `run` in this process, which was made for it, and ends the process.
fn run_and_exit(report: i32, run: impl FnOnce() -> bool) -> ! {
    // SAFETY: the alarm has no handler, so it ends the process.
    unsafe { libc::alarm(LIMIT_S) };
    REPORT.store(report, Ordering::Relaxed);
    let answer = catch_unwind(AssertUnwindSafe(run));
    // SAFETY: nothing of this process is needed any more.
    unsafe { libc::_exit(if matches!(answer, Ok(true)) { YES } else { 0 }) }
}

/// Makes a panic in a run end it. The hook is set before the first run, because a run cannot set it if another test panics when it begins.
fn set_hook(describe: fn() -> String) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if REPORT.load(Ordering::Relaxed) >= 0 {
            fail(&format!("{panic}\n{}", describe()));
        }
        before(panic);
    }));
}

fn reason(signal: i32) -> String {
    match signal {
        libc::SIGALRM => format!("the run did not end within {LIMIT_S} s"),
        libc::SIGSEGV => {
            "SIGSEGV without a report: a stack has overflowed, or the test itself has crashed".into()
        }
        libc::SIGABRT => String::from("(aborted)"),
        _ => format!("ended by signal {signal}"),
    }
}

/// Writes a part of the report why the run has failed.
pub fn report(text: &str) {
    let descriptor = REPORT.load(Ordering::Relaxed);
    let to = if descriptor >= 0 { descriptor } else { libc::STDERR_FILENO };
    // SAFETY: the descriptor is open, and stays so.
    let mut pipe = ManuallyDrop::new(unsafe { File::from_raw_fd(to) });
    let _ = pipe.write_all(text.as_bytes());
}

/// Writes a line to the standard error output, without the lock that another thread may have had when this process began.
pub fn echo(line: &str) {
    // SAFETY: the descriptor is the process's, and stays open.
    let mut output = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDERR_FILENO) });
    let _ = output.write_all(format!("{line}\n").as_bytes());
}

/// Ends the run, which has failed for this reason.
pub fn fail(reason: &str) -> ! {
    report(reason);
    // SAFETY: nothing of this process is needed any more.
    unsafe { libc::_exit(FAILED) }
}
