//! Reports the frees that the kernel refuses: the log names the caller and the reason, once for each caller and kind of
//! mistake.
use crate::threads::cpu_threads;
use crate::threads::owner::Owner;
use crate::threads::whose_code;
use core::fmt::Display;
use free_refusals::{RefusalKind, Refusals};
use page_alloc::FreeError;
use units::FrameNumber;

/// The refused frees of the kernel's own threads.
static KERNEL: Refusals = Refusals::new();

/// Reports that the page allocator refused a free of the running thread.
#[cold]
pub fn report_pages(frame: FrameNumber, count: u64, error: FreeError) {
    let page = frame.address().0;
    report("pages", kind_of(error), format_args!("freed {count} pages at {page:#x}: {error}"));
}

/// Reports that the kernel refused a free of the code that runs. `target` is the log target; `description` says what it freed and
/// what is wrong with it.
#[cold]
pub fn report(target: &str, kind: RefusalKind, description: impl Display) {
    let driver = whose_code::calling_driver();
    if !driver.map_or(&KERNEL, Owner::refusals).note(kind) {
        return;
    }
    match driver {
        Some(driver) => log::warn!(target: target, "{} {description}; refused", driver.name()),
        None => {
            let name = cpu_threads::current_thread().name;
            log::error!(target: target, "the kernel's thread {name} {description}; refused");
        }
    }
}

fn kind_of(error: FreeError) -> RefusalKind {
    match error {
        FreeError::NotMemory(_) => RefusalKind::NotMemory,
        FreeError::AlreadyFree(_) => RefusalKind::AlreadyFree,
        FreeError::NeverAdded(_) => RefusalKind::NeverAdded,
        FreeError::NotKernelOwned(_) => RefusalKind::NotKernelOwned,
        FreeError::InsideGrant(_) => RefusalKind::InsideGrant,
        FreeError::NotTheOwner(_) => RefusalKind::NotTheOwner,
        FreeError::WrongCount { .. } => RefusalKind::WrongCount,
    }
}
