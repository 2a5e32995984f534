//! Reports calls of drivers that the kernel refuses: the log names the driver and the mistake, once for each driver and kind.
use crate::threads::cpu_threads;
use crate::threads::misuses::Misuse;
use crate::threads::owner::Owner;
use crate::threads::whose_code;
use core::fmt::Display;

/// Reports that the kernel refused a call of the code that runs. `description` says what it called and what is wrong
/// with that. Handlers may call this.
#[cold]
#[inline(never)]
pub fn report(misuse: Misuse, description: impl Display) {
    let driver = whose_code::calling_driver();
    if !Owner::note_misuse(driver, misuse) {
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
