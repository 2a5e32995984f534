//! Two threads against one.
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::frame_allocator::{Crate, FrameAllocator};
use crate::workloads::{FRAMES, batches, hot_pairs, wear};

/// The number of rounds. The median counts.
const ROUNDS: usize = 9;

/// The approximate length of a thread's work in a round.
const ROUND: Duration = Duration::from_millis(200);

/// The work of each thread.
#[derive(Clone, Copy)]
pub enum Work {
    /// Pairs of an allocation and its free.
    HotPair,
    /// Batches of 512 frames.
    Batch,
}

impl Work {
    fn run(self, allocator: &mut impl FrameAllocator, times: u64) {
        match self {
            Self::HotPair => hot_pairs(allocator, times),
            Self::Batch => batches(allocator, times),
        }
    }
}

/// Returns the throughput of two threads against that of one: the median of nine rounds, in each of which one thread works and
/// then both.
pub fn two_against_one<C: Crate>(work: Work) -> f64 {
    let mut memory = C::memory(FRAMES);
    let mut threads = C::threads(&mut memory, 2);
    threads.iter_mut().for_each(wear);
    let times = calibrate(&mut threads[0], work);
    let mut ratios: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let one = slowest(&mut threads[..1], work, times);
            let two = slowest(&mut threads, work, times);
            2.0 * one / two
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ROUNDS / 2]
}

/// Returns the number of repeats in a round.
fn calibrate(allocator: &mut impl FrameAllocator, work: Work) -> u64 {
    let mut times = 1;
    loop {
        let start = Instant::now();
        work.run(allocator, times);
        let taken = start.elapsed();
        if taken > ROUND / 10 {
            return (times as f64 * ROUND.as_secs_f64() / taken.as_secs_f64()) as u64 + 1;
        }
        times *= 2;
    }
}

/// Returns the seconds until the last thread is done. Each thread does the same amount of work.
fn slowest<A: FrameAllocator + Send>(threads: &mut [A], work: Work, times: u64) -> f64 {
    let start = Barrier::new(threads.len());
    let start = &start;
    thread::scope(|scope| {
        let running: Vec<_> = threads
            .iter_mut()
            .map(|allocator| {
                scope.spawn(move || {
                    start.wait();
                    let start = Instant::now();
                    work.run(allocator, times);
                    start.elapsed().as_secs_f64()
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("a thread that ends")).fold(0.0, f64::max)
    })
}
