//! Drivers that the boot did not wait for: a thread for each waits for the end of `Driver_Init`, and reports the outcome.
use super::driver::{StartError, Starting};
use crate::threads::thread::Start;
use crate::threads::{Mutex, lifecycle};
use alloc::vec::Vec;
use core::ffi::c_void;

/// What is called with the name of a late driver and with its outcome.
pub type Report = fn(&str, &Result<(), StartError>);

struct Late {
    starting: Starting,
    report: Report,
}

/// The late drivers. Each of the threads takes its driver out of the list, at the index that it was given.
static LATE: Mutex<Vec<Option<Late>>> = Mutex::new(Vec::new());

/// Has `report` called when `Driver_Init` returns. If there is no memory for that, a line of the log says so: the driver goes on,
/// and nothing is reported.
pub fn wait_for(starting: Starting, report: Report) {
    let name = starting.name();
    let mut late = LATE.lock();
    let index = late.len();
    let is_waited_for = late.try_reserve(1).is_ok() && {
        late.push(Some(Late { starting, report }));
        // SAFETY: `finish` takes its argument as an index.
        let start = unsafe { Start::new(finish, core::ptr::without_provenance_mut(index)) };
        lifecycle::create("late driver", start, None).is_ok()
    };
    if !is_waited_for {
        log::warn!(target: "drivers", "there is no memory to see how {name} starts");
    }
}

/// Waits for the late driver with this index.
unsafe extern "C" fn finish(index: *mut c_void) -> i32 {
    let late = LATE.lock().get_mut(index.addr()).and_then(Option::take);
    if let Some(Late { starting, report }) = late {
        let name = starting.name();
        report(name, &starting.finish());
    }
    0
}
