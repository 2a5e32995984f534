//! Code of drivers that the boot did not wait for: a thread for each waits for its end, and reports the outcome.
use super::handover;
use crate::threads::lifecycle;
use crate::threads::thread::Start;
use core::ffi::c_void;

/// What a thread waits for.
struct Late<T> {
    value: T,
    finish: fn(T),
}

/// Has `finish`, which waits, called with `value` on a thread of its own. If there is no memory for that, a line of the log says so: the
/// driver, whose name is given, goes on, and nothing is reported.
pub fn wait_for<T: Send + 'static>(name: &str, value: T, finish: fn(T)) {
    if start(Late { value, finish }).is_none() {
        log::warn!(target: "drivers", "there is no memory to see how {name} starts");
    }
}

fn start<T: Send + 'static>(late: Late<T>) -> Option<()> {
    let late = handover::hand_over(late)?;
    // SAFETY: `run` takes such a value, and it alone uses it from here on, unless no thread is created.
    let start = unsafe { Start::new(run::<T>, late.cast()) };
    if lifecycle::create("late driver", start, None).is_err() {
        // SAFETY: no thread was created, so nothing else uses the value.
        drop(unsafe { handover::take(late) });
        return None;
    }
    Some(())
}

/// Waits, and reports.
///
/// # Safety
/// `late` is a handed-over `Late<T>` that nothing else uses.
unsafe extern "C" fn run<T>(late: *mut c_void) -> i32 {
    // SAFETY: `# Safety` is the same.
    let Late { value, finish } = unsafe { handover::take(late.cast::<Late<T>>()) };
    finish(value);
    0
}
