//! disk_bench: what a request to each disk costs, through the kernel's block devices and the disk's driver. `./run.sh bench` boots it on a
//! clock that counts instructions, where a nanosecond is one, and reads its lines. It reads only, so it harms no disk.
//!
//! The time in which the device works is not counted. A polled request is its submission and the poll that completes it.
#![no_std]
#![forbid(unsafe_code)]

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use driver_kit::block::{self, Batch, Disk, Transfer};
use driver_kit::thread::{self, Cpu, Thread};
use driver_kit::{info, time, warn};

driver_kit::driver! { init = start }

/// Rounds of each measurement. The fastest counts: a tick may interrupt others.
const ROUNDS: u64 = 300;
/// The most requests at a time.
const DEPTH: usize = 32;
/// Bytes of a request.
const BYTES: u32 = 4096;
/// How long the device gets before it is polled. Meanwhile the CPU runs other threads or halts.
const PAUSE_NS: u64 = 200_000;
/// The pauses after which a request counts as lost.
const PATIENCE: u32 = 100_000;
/// How long a request may take whose submitter sleeps.
const WAIT_NS: u64 = 1_000_000_000;

fn start() {
    let mut disk = Disk::next(None);
    while let Some(found) = disk {
        measure_disk(found);
        disk = Disk::next(disk);
    }
}

fn measure_disk(disk: Disk) {
    let Some(info) = disk.info() else { return };
    let driver = block::text(&info.Driver);
    let (name, blocks_each) = (driver.trim_end_matches("_blk"), BYTES / info.BlockSize.clamp(1, BYTES));
    // On the CPU of the queue and the node of the device, where there is one.
    let node = (info.Node >= 0).then_some(info.Node);
    let cpu = (0..thread::cpus()).find(|cpu| driver_kit::memory::node_of_cpu(*cpu) == node);
    if let Some(cpu) = cpu {
        thread::move_here_to(cpu);
    }
    let Some(mut batch) = Batch::new(disk, DEPTH, BYTES as usize, node) else {
        return warn!("there is no memory to measure {name}");
    };
    for depth in [1, DEPTH] {
        for index in 0..DEPTH {
            batch.prepare(index, Transfer::Read(index as u64 * u64::from(blocks_each), blocks_each), true);
        }
        match polled(disk, &mut batch, depth) {
            Some(least) => {
                info!("bench block.{name}.read.polled.qd{depth} {} {depth}", least.submit + least.poll)
            }
            None => warn!("{name} does not complete {depth} requests"),
        }
    }
    batch.prepare(0, Transfer::Read(0, blocks_each), false);
    match sleeping(&mut batch, cpu.unwrap_or_else(thread::current_cpu)) {
        Some(least) => info!("bench block.{name}.read.sleep.qd1 {least} 1"),
        None => warn!("{name} completes no request without a poll"),
    }
}

/// What the thread notes that runs while the device works: when it runs first and last. Then the CPU is not idle, and what is not spent in
/// that thread is the request's.
struct Meanwhile {
    first: AtomicU64,
    last: AtomicU64,
    is_over: AtomicBool,
}

static MEANWHILE: Meanwhile =
    Meanwhile { first: AtomicU64::new(0), last: AtomicU64::new(0), is_over: AtomicBool::new(false) };

fn run_meanwhile(noted: &Meanwhile) -> c_int {
    while !noted.is_over.load(Ordering::Relaxed) {
        let now = time::now_ns();
        if noted.first.load(Ordering::Relaxed) == 0 {
            noted.first.store(now, Ordering::Relaxed);
        }
        noted.last.store(now, Ordering::Relaxed);
        thread::yield_now();
    }
    0
}

/// Returns the least time of a request whose submitter sleeps until the interrupt wakes it: all but that in which another thread runs.
fn sleeping(batch: &mut Batch, cpu: Cpu) -> Option<u64> {
    let clock = (0..100).map(|_| since(time::now_ns())).min()?;
    MEANWHILE.is_over.store(false, Ordering::Relaxed);
    let other = Thread::create(c"meanwhile", None, &MEANWHILE, run_meanwhile)?;
    other.move_to(cpu);
    let mut least = u64::MAX;
    for _ in 0..ROUNDS {
        MEANWHILE.first.store(0, Ordering::Relaxed);
        let start = time::now_ns();
        let accepted = batch.submit(1);
        if accepted == 0 || !batch.wait_for(WAIT_NS) {
            break;
        }
        let end = time::now_ns();
        let (first, last) = (MEANWHILE.first.load(Ordering::Relaxed), MEANWHILE.last.load(Ordering::Relaxed));
        if first > start {
            least = least.min((first - start + end - last).saturating_sub(2 * clock));
        }
    }
    MEANWHILE.is_over.store(true, Ordering::Relaxed);
    other.join()?;
    (least < u64::MAX).then_some(least)
}

/// What the parts of a round take.
#[derive(Clone, Copy)]
struct Parts {
    submit: u64,
    poll: u64,
}

/// Returns the least time of a round in which one poll completes all requests.
fn polled(disk: Disk, batch: &mut Batch, depth: usize) -> Option<Parts> {
    let clock = (0..100).map(|_| since(time::now_ns())).min()?;
    let mut least = Parts { submit: u64::MAX, poll: u64::MAX };
    for _ in 0..ROUNDS {
        let start = time::now_ns();
        let accepted = batch.submit(depth);
        let submit = since(start).saturating_sub(clock);
        if accepted != depth {
            return None;
        }
        let mut pauses = 0;
        while !batch.is_idle() {
            thread::sleep_ns(PAUSE_NS);
            let start = time::now_ns();
            let count = disk.poll();
            let poll = since(start).saturating_sub(clock);
            if count as usize == depth {
                least.submit = least.submit.min(submit);
                least.poll = least.poll.min(poll);
            }
            pauses += 1;
            if pauses > PATIENCE {
                return None;
            }
        }
    }
    info!("of {depth}: submission {}, poll {}, clock {clock}", least.submit, least.poll);
    (least.poll < u64::MAX).then_some(least)
}

fn since(start: u64) -> u64 {
    time::now_ns() - start
}
