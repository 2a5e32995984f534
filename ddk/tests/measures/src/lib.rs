//! measures: what a driver's calls cost, through the kernel's exports and with the inline code of `driver_kit`, as it is compiled for
//! drivers. `./run.sh bench` boots it on a clock that counts instructions, where a nanosecond is one, and reads its lines.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};
use driver_kit::driver::Refusal;
use driver_kit::pages::{Pages, PagesWanted};
use driver_kit::sync::{Event, Mutex, SpinLock};
use driver_kit::timer::Timer;
use driver_kit::{drivers, info, time};

driver_kit::driver! { init = start }

/// Measurements of each operation. The fastest counts: a tick may interrupt others.
const TRIES: usize = 20;
/// Rounds of each measurement.
const ROUNDS: u64 = 100;
/// Operations in a round, in a row, so that the loop itself hardly counts.
const IN_A_ROW: u64 = 50;

/// Logs the least time of a measurement. `round` does the operation [`IN_A_ROW`] times.
fn measure(name: &str, round: impl Fn()) {
    let mut least = u64::MAX;
    for _ in 0..TRIES {
        let start = time::now_ns();
        for _ in 0..ROUNDS {
            round();
        }
        least = least.min(time::now_ns() - start);
    }
    info!("bench {name} {least} {}", ROUNDS * IN_A_ROW);
}

/// Evaluates an expression [`IN_A_ROW`] times.
macro_rules! in_a_row {
    ($operation:expr) => {{
        five_times!(five_times!($operation));
        five_times!(five_times!($operation));
    }};
}

macro_rules! five_times {
    ($operation:expr) => {{
        $operation;
        $operation;
        $operation;
        $operation;
        $operation;
    }};
}

/// Measures unloading and loading a driver that has nothing, which is loaded at first.
fn measure_life(name: &core::ffi::CStr) -> Result<(), Refusal> {
    let mut least = [u64::MAX; 2];
    for _ in 0..TRIES {
        let calls: [fn(&core::ffi::CStr) -> bool; 2] = [drivers::unload, drivers::load];
        for (call, least) in calls.into_iter().zip(&mut least) {
            let start = time::now_ns();
            if !call(name) {
                return Err(Refusal(-2));
            }
            *least = (*least).min(time::now_ns() - start);
        }
    }
    info!("bench driver.unload {} 1", least[0]);
    info!("bench driver.load {} 1", least[1]);
    Ok(())
}

static SPIN: SpinLock<()> = SpinLock::new(());
static MUTEX: Mutex<()> = Mutex::new(());
static CALLS: AtomicU32 = AtomicU32::new(0);

fn start() -> Result<(), Refusal> {
    measure("sync.spin.pair", || {
        in_a_row!(drop(SPIN.lock()));
    });
    measure("sync.mutex.pair", || {
        in_a_row!(drop(MUTEX.lock()));
    });
    measure("sync.wake.empty", || {
        in_a_row!(driver_kit::sync::wake_all(&CALLS));
    });
    measure("time.get", || {
        in_a_row!(core::hint::black_box(time::now_ns()));
    });
    let timer = Timer::create(None, &CALLS, |calls| _ = calls.fetch_add(1, Ordering::Relaxed));
    let timer = timer.ok_or(Refusal(-1))?;
    // An hour from now, as a time limit that never comes.
    let limit = time::now_ns() + 3_600_000_000_000;
    // Two calls count as two operations.
    measure("timer.set_cancel", || {
        five_times!(five_times!({
            timer.set(limit);
            timer.stop();
        }));
    });
    let event = Event::new();
    measure("sync.event.set_reset", || {
        in_a_row!({
            event.set();
            event.reset();
        });
    });
    measure("page.driver.pair", || {
        in_a_row!(drop(Pages::allocate(&PagesWanted::PAGE)));
    });
    measure_life(c"nothing")
}
