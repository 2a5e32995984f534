//! Reports calls of drivers that the kernel refuses: the log names the driver and the mistake, once for each driver and kind.
use crate::threads::cpu_threads;
use crate::threads::misuses::{Misuse, Misuses};
use crate::threads::whose_code;
use core::fmt::Display;

/// The refused calls of the kernel's own threads.
static KERNEL: Misuses = Misuses::new();

/// Reports that the kernel refused a call of the running handler or thread. `description` says what it called and what is wrong
/// with that. Handlers may call this.
#[cold]
#[inline(never)]
pub fn report(misuse: Misuse, description: impl Display) {
    let driver = whose_code::calling_driver();
    if !driver.map_or(&KERNEL, |driver| driver.misuses()).note(misuse) {
        return;
    }
    match driver {
        Some(driver) => {
            log::warn!(target: "drivers", "{} {description}; refused, and not logged again", driver.name());
        }
        None => {
            let name = cpu_threads::current_thread().name;
            log::error!(target: "drivers", "the kernel's thread {name} {description}; refused");
        }
    }
}
