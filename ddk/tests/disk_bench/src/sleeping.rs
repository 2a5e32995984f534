//! What a read costs whose submitter sleeps: all instructions of the submitter's CPU, from one read to the next.
//!
//! Between the submission and the interrupt this CPU halts, and the clock counts for all CPUs. If all of them halted, it would jump to the
//! next timer. So a thread on another CPU counts steps meanwhile, and its instructions are subtracted. The CPUs take turns at the hint in each
//! step, so all steps are whole ones. Ticks come in some reads, so the median of many reads counts.
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use driver_kit::block::Batch;
use driver_kit::thread::{self, Cpu, Thread};
use driver_kit::time;

/// Reads before those that are measured.
const WARM_UP: u32 = 50;
/// Reads that are measured.
const READS: usize = 301;
/// How often the steps of the other thread are measured, and how long each time.
const WINDOWS: u32 = 20;
const WINDOW_NS: u64 = 1_000_000;
/// How long a read may take.
const WAIT_NS: u64 = 1_000_000_000;

/// What the thread of the other CPU shares with the one that measures.
struct Meanwhile {
    /// The steps that it has done.
    steps: AtomicU64,
    is_over: AtomicBool,
}

static MEANWHILE: Meanwhile = Meanwhile { steps: AtomicU64::new(0), is_over: AtomicBool::new(false) };

/// Steps until the measurement is over. The hint hands a counting clock's turn to the CPU that measures.
fn count_steps(meanwhile: &Meanwhile) -> c_int {
    while !meanwhile.is_over.load(Ordering::Relaxed) {
        meanwhile.steps.fetch_add(1, Ordering::Relaxed);
        core::hint::spin_loop();
    }
    0
}

/// The time, and the steps until then.
#[derive(Clone, Copy)]
struct Reading {
    time: u64,
    steps: u64,
}

impl Reading {
    fn now() -> Self {
        Self { time: time::now_ns(), steps: MEANWHILE.steps.load(Ordering::Relaxed) }
    }

    fn since(self, start: Self) -> Self {
        Self { time: self.time - start.time, steps: self.steps - start.steps }
    }
}

/// Why nothing was measured.
pub enum Unmeasured {
    /// There is no other CPU, or no memory for a thread on it.
    Alone,
    /// The disk does not answer.
    Silent,
    /// The steps of the other thread take more time than there was.
    Steps,
}

/// Returns the instructions of a read of the first request of a batch, from the CPU on which the calling thread stays.
pub fn measure(batch: &mut Batch, cpu: Cpu) -> Result<u64, Unmeasured> {
    let other_cpu = (0..thread::cpus()).find(|&other| other != cpu && thread::is_online(other));
    MEANWHILE.is_over.store(false, Ordering::Relaxed);
    let other = Thread::create(c"meanwhile", None, &MEANWHILE, count_steps).ok_or(Unmeasured::Alone)?;
    other.move_to(other_cpu.ok_or(Unmeasured::Alone)?);
    let instructions = measure_beside_steps(batch);
    MEANWHILE.is_over.store(true, Ordering::Relaxed);
    other.join();
    instructions
}

fn measure_beside_steps(batch: &mut Batch) -> Result<u64, Unmeasured> {
    (0..WARM_UP).try_for_each(|_| read(batch))?;
    let step = (0..WINDOWS).filter_map(|_| step_in_window()).min().ok_or(Unmeasured::Steps)?;
    let without_steps = |both: Reading| both.time.checked_sub(both.steps * step).ok_or(Unmeasured::Steps);
    let mut reads = [0; READS];
    for instructions in &mut reads {
        let start = Reading::now();
        read(batch)?;
        *instructions = without_steps(Reading::now().since(start))?;
    }
    reads.sort_unstable();
    // Less what the two readings take between them.
    let start = Reading::now();
    let of_readings = without_steps(Reading::now().since(start))?;
    reads[READS / 2].checked_sub(of_readings).ok_or(Unmeasured::Steps)
}

/// Returns the instructions of a step of the other thread, a whole number. Other threads of the machine, as the one that draws the screen, may
/// add to it.
fn step_in_window() -> Option<u64> {
    let start = Reading::now();
    thread::sleep_ns(WINDOW_NS);
    let alone = Reading::now().since(start);
    (alone.time + alone.steps / 2).checked_div(alone.steps)
}

/// Reads once, and sleeps until the interrupt wakes the thread.
fn read(batch: &mut Batch) -> Result<(), Unmeasured> {
    (batch.submit(1) == 1 && batch.wait_for(WAIT_NS)).then_some(()).ok_or(Unmeasured::Silent)
}
