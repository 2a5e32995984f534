//! The threads that call, one on each CPU.
use crate::about_driver::Known;
use crate::callbacks::Callbacks;
use crate::devices::Devices;
use crate::heap::Block;
use crate::hostages::Hostages;
use crate::pages::Pages;
use crate::per_cpu::PerCpu;
use crate::random::Random;
use crate::time::Timers;
use crate::{about_driver, devices, dma, heap, interfaces, numa, pages, requests, threads, time};
use arrayvec::ArrayVec;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU64, Ordering};
use driver_kit::{abi, error};

/// Each thread holds no more of one kind.
pub const MOST_HELD: usize = 48;
/// Each thread has no more memory of each CPU.
const MOST_PER_CPU: usize = 6;
const MOST_CPUS: usize = 64;
/// No more lines than this say what is wrong.
const MOST_LINES: u64 = 20;

static FAILURES: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);
static CALLBACKS: [Callbacks; MOST_CPUS] = [const { Callbacks::new() }; MOST_CPUS];

/// What a thread holds, and what it draws its choices from.
pub struct Worker {
    pub random: Random,
    pub hostages: &'static Hostages,
    pub callbacks: &'static Callbacks,
    pub number: usize,
    pub pages: ArrayVec<Pages, MOST_HELD>,
    pub blocks: ArrayVec<Block, MOST_HELD>,
    pub timers: Timers,
    pub devices: Devices,
    pub per_cpu: ArrayVec<PerCpu, MOST_PER_CPU>,
    pub known: Known,
    pub round: u32,
    calls: u64,
    stamps: u64,
}

/// Counts a call, and checks what must hold of its answer.
macro_rules! check {
    ($worker:expr, $holds:expr) => {
        if !$holds {
            $worker.fail(stringify!($holds), file!(), line!());
        }
    };
}
pub(crate) use check;

impl Worker {
    fn new(number: usize, hostages: &'static Hostages, round: u32) -> Self {
        let seed = hostages.seed() ^ u64::from(round) << 32 ^ (number as u64) << 20;
        Self {
            random: Random::new(seed),
            hostages,
            callbacks: &CALLBACKS[number],
            number,
            pages: ArrayVec::new(),
            blocks: ArrayVec::new(),
            timers: Timers::new(),
            devices: Devices::new(),
            per_cpu: ArrayVec::new(),
            known: Known::new(),
            round,
            calls: 0,
            stamps: 0,
        }
    }

    /// Counts calls.
    pub fn count(&mut self, calls: u64) {
        self.calls += calls;
    }

    /// Returns a number that this driver has written nowhere.
    pub fn stamp(&mut self) -> u64 {
        self.stamps += 1;
        u64::from(self.round) << 48 | (self.number as u64) << 40 | self.stamps
    }

    /// Says what does not hold.
    #[cold]
    pub fn fail(&mut self, what: &str, file: &str, line: u32) {
        let Self { round, number, calls, .. } = self;
        let seed = self.hostages.seed();
        failed(format_args!(
            "seed {seed}, round {round}, thread {number}, call {calls}: this does not hold: {what} ({file}:{line})"
        ));
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..30 => pages::step(self),
            30..54 => heap::step(self),
            54..61 => numa::step(self),
            61..73 => time::step(self),
            73..83 => devices::step(self),
            83..89 => dma::step(self),
            89..94 => requests::step(self),
            94 => threads::step(self),
            95 | 96 => interfaces::step(self),
            _ => about_driver::step(self),
        }
    }

    fn give_back(&mut self) {
        requests::give_back(self);
        devices::give_back(self);
        time::give_back(self);
        while !self.pages.is_empty() {
            pages::free(self);
        }
        while !self.blocks.is_empty() {
            heap::free(self);
        }
    }
}

/// Notes that something does not hold.
#[cold]
pub fn failed(what: core::fmt::Arguments<'_>) {
    if FAILURES.fetch_add(1, Ordering::Relaxed) < MOST_LINES {
        error!("{what}");
    }
}

/// Returns how many checks did not hold.
pub fn failures() -> u64 {
    FAILURES.load(Ordering::Relaxed)
}

/// What a thread is started with.
struct Start {
    number: usize,
    hostages: &'static Hostages,
    round: u32,
}

unsafe extern "C" fn work(start: *mut c_void) -> c_int {
    // SAFETY: `run_all` passes a `Start`, and waits for this thread.
    let &Start { number, hostages, round } = unsafe { &*start.cast::<Start>() };
    let mut mask = [0u64; MOST_CPUS / 64];
    mask[number / 64] = 1 << (number % 64);
    let mut worker = Worker::new(number, hostages, round);
    // SAFETY: the mask is a local variable.
    let pinned =
        unsafe { abi::Kernel_SetThreadAffinity(abi::Kernel_GetCurrentThread(), mask.as_ptr(), mask.len()) };
    check!(worker, pinned == 0);
    let most = hostages.calls() / crate::cpus() as u64;
    while worker.calls < most && failures() == 0 {
        worker.step();
    }
    worker.give_back();
    CALLS.fetch_add(worker.calls + worker.callbacks.calls(), Ordering::Relaxed);
    0
}

/// Starts a thread on each CPU, and waits for all. Returns the number of calls, or `None` if there is no memory for a thread.
pub fn run_all(hostages: &'static Hostages, round: u32) -> Option<u64> {
    let cpus = crate::cpus().min(MOST_CPUS);
    let starts: ArrayVec<Start, MOST_CPUS> =
        (0..cpus).map(|number| Start { number, hostages, round }).collect();
    let mut threads = ArrayVec::<c_int, MOST_CPUS>::new();
    for start in &starts {
        let argument = core::ptr::from_ref(start).cast_mut().cast();
        // SAFETY: the name is a constant, and the loop below waits for the thread, which alone uses its `Start`.
        threads.push(unsafe { abi::Kernel_CreateThread(c"fuzz".as_ptr(), Some(work), argument, -1) });
    }
    let mut all = true;
    for thread in threads {
        // SAFETY: null stands for no code.
        all &= thread > 0 && unsafe { abi::Kernel_JoinThread(thread, core::ptr::null_mut()) } == 0;
    }
    all.then(|| CALLS.load(Ordering::Relaxed))
}
