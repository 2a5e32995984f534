//! The thread that draws the log on the screen, some times a second while something changes, and above it the machine as a picture.
use super::machine_screen::MachineScreen;
use crate::report::screen;
use crate::threads::lifecycle::{self, CreateError};
use crate::threads::sleep;
use crate::threads::thread::Start;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};

/// How long the thread sleeps after it has drawn something, and after it has found nothing new.
const SHORT_NS: u64 = 40_000_000;
const LONG_NS: u64 = 200_000_000;

/// Set when the picture of the machine may appear.
static SHOWS_MACHINE: AtomicBool = AtomicBool::new(false);

/// Starts the thread, if there is a screen.
///
/// # Errors
/// [`CreateError`]; nothing was created. Writers then go on to draw.
pub fn start() -> Result<(), CreateError> {
    if screen::form().is_some() {
        // SAFETY: `run` ignores its argument.
        let start = unsafe { Start::new(run, core::ptr::null_mut()) };
        lifecycle::create("screen", start, None)?;
        screen::leave_drawing_to_thread();
    }
    Ok(())
}

/// Makes the picture of the machine appear: the boot is complete.
pub fn show_machine() {
    SHOWS_MACHINE.store(true, Ordering::Relaxed);
}

unsafe extern "C" fn run(_: *mut c_void) -> i32 {
    let mut machine: Option<MachineScreen> = None;
    loop {
        let mut is_drawn = screen::draw();
        if let Some(machine) = &mut machine {
            is_drawn |= machine.update();
        } else if SHOWS_MACHINE.swap(false, Ordering::Relaxed) {
            machine = MachineScreen::begin();
            is_drawn = true;
        }
        sleep::sleep_ns(if is_drawn { SHORT_NS } else { LONG_NS });
    }
}
