//! disk_bench: what a request to each disk costs, through the kernel's block devices and the disk's driver. `./run.sh bench` boots it on a
//! clock that counts instructions, where a nanosecond is one, and reads its lines. It reads only, so it harms no disk.
//!
//! The time in which the device works is not counted. A polled request is its submission and the poll that completes it; one whose submitter
//! sleeps, all that its CPU executes.
#![no_std]
#![forbid(unsafe_code)]

mod sleeping;

use driver_kit::block::{self, Batch, Disk, Transfer};
use driver_kit::thread;
use driver_kit::{info, time, warn};
use sleeping::Unmeasured;

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
    let near = (0..thread::cpus()).find(|cpu| driver_kit::memory::node_of_cpu(*cpu) == node);
    let cpu = near.unwrap_or_else(thread::current_cpu);
    thread::move_here_to(cpu);
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
    match sleeping::measure(&mut batch, cpu) {
        Ok(instructions) => info!("bench block.{name}.read.sleep.qd1 {instructions} 1"),
        Err(Unmeasured::Silent) => warn!("{name} completes no request without a poll"),
        Err(Unmeasured::Alone) => warn!("{name}: no other CPU counts what passes meanwhile"),
        Err(Unmeasured::Steps) => {
            warn!("{name}: the steps meanwhile take more than the time that has passed")
        }
    }
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
