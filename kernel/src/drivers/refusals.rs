//! Frees that are refused: each is counted for its caller, and the first of each kind names the caller in the log. A caller that
//! goes on does not fill the log.
use super::driver::Driver;
use crate::threads::cpu_threads;
use core::fmt::Display;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use page_alloc::FreeError;
use units::FrameNumber;

/// What was wrong with a free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// The address is not that of a page.
    NotAPage,
    /// There is no memory that is managed.
    NotMemory,
    /// The pages are free.
    AlreadyFree,
    /// They were never handed out, or are the kernel's own.
    NeverAdded,
    /// They are not the kernel's own, but were freed as such.
    NotKernelOwned,
    /// They are inside of what one call granted.
    InsideGrant,
    /// One call granted another count.
    WrongCount,
    /// The address is not that of a block of the heap in use.
    NotABlock,
}

impl From<FreeError> for RefusalKind {
    fn from(error: FreeError) -> Self {
        match error {
            FreeError::NotMemory(_) => Self::NotMemory,
            FreeError::AlreadyFree(_) => Self::AlreadyFree,
            FreeError::NeverAdded(_) => Self::NeverAdded,
            FreeError::NotKernelOwned(_) => Self::NotKernelOwned,
            FreeError::InsideGrant(_) => Self::InsideGrant,
            FreeError::WrongCount { .. } => Self::WrongCount,
        }
    }
}

/// A caller's refused frees.
pub struct Refusals {
    count: AtomicU64,
    /// The kinds that were told: bit n for kind n.
    told: AtomicU32,
}

/// Those of the kernel's own threads.
static KERNEL: Refusals = Refusals::new();

impl Refusals {
    /// None yet.
    pub const fn new() -> Self {
        Self { count: AtomicU64::new(0), told: AtomicU32::new(0) }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// How many of them were not told one by one.
    pub fn untold(&self) -> u64 {
        self.count().saturating_sub(self.told.load(Relaxed).count_ones().into())
    }

    /// Counts one; returns whether it is the first of its kind.
    fn note(&self, kind: RefusalKind) -> bool {
        self.count.fetch_add(1, Relaxed);
        let bit = 1 << kind as u32;
        self.told.fetch_or(bit, Relaxed) & bit == 0
    }
}

/// Notes that the running thread's free of pages was refused.
#[cold]
pub fn note_pages(frame: FrameNumber, count: u64, error: FreeError) {
    let page = frame.address().0;
    note("pages", error.into(), format_args!("freed {count} pages at {page:#x}: {error}"));
}

/// Notes that the running thread's free of anything was refused; `words` say of what, and why.
#[cold]
pub fn note(target: &str, kind: RefusalKind, words: impl Display) {
    let thread = cpu_threads::current_thread();
    let driver = thread.driver();
    if !driver.map_or(&KERNEL, |driver| &Driver::of(driver).refusals).note(kind) {
        return;
    }
    match driver {
        Some(driver) => log::warn!(target: target, "{} {words}; refused", driver.name()),
        None => log::error!(target: target, "the kernel's thread {} {words}; refused", thread.name),
    }
}
