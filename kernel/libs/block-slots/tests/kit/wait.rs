//! Waiting at a word, and waking who waits there, as the kernel does it: under a lock, the waiter looks at the word once more.
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};

loom::lazy_static! {
    static ref BUCKET: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
}

/// When a wait ends: in a model, never by itself.
pub struct Deadline;

impl Deadline {
    pub const NEVER: Self = Self;

    #[allow(dead_code, reason = "time does not pass in a model")]
    pub fn after(_: u64) -> Self {
        Self
    }
}

pub fn wait_until(word: &AtomicU32, expected: u32, _: &mut Deadline) -> bool {
    let waiters = BUCKET.0.lock().unwrap();
    if word.load(Ordering::SeqCst) == expected {
        drop(BUCKET.1.wait(waiters).unwrap());
    }
    true
}

/// Wakes all threads that wait. The word may be gone.
pub fn wake(_: *const u32, _: i32) {
    let _waiters = BUCKET.0.lock().unwrap();
    BUCKET.1.notify_all();
}
