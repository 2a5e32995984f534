//! Panics: the report of a panic, and the end of the machine after it.
use super::place::Place;
use super::verdict;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static PANICKED: AtomicBool = AtomicBool::new(false);
    if PANICKED.swap(true, Ordering::SeqCst) {
        // The report of the first panic has panicked, or another CPU panics at the same time.
        verdict::end_machine(false);
    }
    verdict::begin_last_words();
    log::error!(target: "panic", "{info}");
    log::error!(target: "panic", "on {Place}");
    verdict::stop_with(false)
}
