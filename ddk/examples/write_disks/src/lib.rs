//! write_disks: a client of block devices. It writes to each disk from every CPU, reads from another CPU, and compares.
//!
//! It touches scratch disks only: those whose first and last blocks are all zero. A disk with a partition table or a file system is none.
//! Afterwards a scratch disk is as it was. The driver refuses to start with the number of things that do not hold.
#![no_std]
#![forbid(unsafe_code)]

use driver_kit::block::{self, Batch, BlockInfo, Disk, Transfer};
use driver_kit::driver::Refusal;
use driver_kit::thread::{self, Cpu};
use driver_kit::{error, info, time};

driver_kit::driver! { init = start }

/// Bytes of each request's memory.
const BYTES: usize = 16 << 10;
const WORDS: usize = BYTES / size_of::<u64>();
/// Only each word of this number is written and compared: one in 512 bytes, the smallest block.
const STEP: usize = 512 / size_of::<u64>();
/// Requests at a time. Those of a CPU have different lengths.
const REQUESTS: usize = 4;
const LENGTHS: [usize; REQUESTS] = [4 << 10, 8 << 10, 12 << 10, 16 << 10];
/// How long requests may take.
const LIMIT_NS: u64 = 10_000_000_000;

fn start() -> Result<(), Refusal> {
    let mut errors = 0;
    let mut disk = Disk::next(None);
    while let Some(found) = disk {
        errors += check_disk(found);
        disk = Disk::next(disk);
    }
    if errors == 0 { Ok(()) } else { Err(Refusal(errors)) }
}

/// A disk that is checked, with memory for requests.
struct Check {
    disk: Disk,
    info: BlockInfo,
    batch: Batch,
    errors: i32,
}

/// Returns how many things do not hold.
fn check_disk(disk: Disk) -> i32 {
    let Some(info) = disk.info() else { return 0 };
    let node = (info.Node >= 0).then_some(info.Node);
    let bytes = info.Blocks.saturating_mul(u64::from(info.BlockSize));
    let room = thread::cpus() as u64 * (REQUESTS * BYTES) as u64;
    if !(BYTES as u64).is_multiple_of(u64::from(info.BlockSize))
        || info.MaxBytes < LENGTHS[0] as u64
        || bytes < room
    {
        info!("{}: too small, or with blocks that are too large", name_of(&info));
        return 0;
    }
    let Some(batch) = Batch::new(disk, REQUESTS, BYTES, node) else {
        error!("{}: there is no memory for requests", name_of(&info));
        return 1;
    };
    let mut check = Check { disk, info, batch, errors: 0 };
    match check.is_scratch() {
        Some(true) => check.write_and_read(),
        Some(false) => info!("{}: not a scratch disk, so nothing is written", name_of(&info)),
        None => check.failed("a read"),
    }
    check.errors
}

impl Check {
    fn failed(&mut self, what: &str) {
        self.errors += 1;
        error!("{}: {what} failed", name_of(&self.info));
    }

    fn blocks(&self, bytes: usize) -> u32 {
        bytes as u32 / self.info.BlockSize
    }

    /// Returns true if the parts that this driver writes, and the end of the disk, are all zero; `None` if they cannot be read.
    fn is_scratch(&mut self) -> Option<bool> {
        let step = self.info.MaxBytes.min(BYTES as u64) as usize & !(LENGTHS[0] - 1);
        let count = self.blocks(step);
        let written = thread::cpus() as u64 * u64::from(self.blocks(REQUESTS * BYTES));
        let starts = (0..written).step_by(count as usize).chain([self.info.Blocks - u64::from(count)]);
        for start in starts {
            self.batch.prepare(0, Transfer::Read(start, count), false);
            if !self.run(1, false) {
                return None;
            }
            if !self.batch.is_zero(0, step / size_of::<u64>()) {
                return Some(false);
            }
        }
        Some(true)
    }

    fn write_and_read(&mut self) {
        let cpus = thread::cpus();
        for is_polled in [false, true] {
            for cpu in 0..cpus {
                self.write(cpu, Some(cpu), is_polled);
            }
            for cpu in 0..cpus {
                // Not the CPU that has written it, so that another queue reads.
                self.read((cpu + 1) % cpus, cpu, is_polled);
            }
        }
        for cpu in 0..cpus {
            self.write(cpu, None, false);
        }
        self.batch.prepare(0, Transfer::Flush, false);
        if !self.run(1, false) {
            self.failed("a flush");
        }
        if self.errors == 0 {
            info!("{}: {cpus} CPUs wrote and read it, sleeping and polling", name_of(&self.info));
        }
    }

    /// Prepares the requests to a CPU's part of the disk.
    fn prepare(&mut self, part: Cpu, is_polled: bool, transfer: impl Fn(u64, u32) -> Transfer) {
        for index in 0..REQUESTS {
            let first = (part as usize * REQUESTS + index) as u64 * u64::from(self.blocks(BYTES));
            let count = self.blocks(self.length(index));
            self.batch.prepare(index, transfer(first, count), is_polled);
        }
    }

    fn length(&self, index: usize) -> usize {
        LENGTHS[index].min(self.info.MaxBytes as usize)
    }

    /// Writes a CPU's part, on that CPU: a pattern, or zeros.
    fn write(&mut self, cpu: Cpu, seed: Option<Cpu>, is_polled: bool) {
        thread::move_here_to(cpu);
        for index in 0..REQUESTS {
            for word in (0..WORDS).step_by(STEP) {
                self.batch.set_word(
                    index,
                    word,
                    seed.map_or(0, |seed| pattern(seed, index, word, is_polled)),
                );
            }
        }
        self.prepare(cpu, is_polled, Transfer::Write);
        if !self.run(REQUESTS, is_polled) {
            self.failed("a write");
        }
    }

    /// Reads the part of the CPU `part` on the CPU `cpu`, and compares.
    fn read(&mut self, cpu: Cpu, part: Cpu, is_polled: bool) {
        thread::move_here_to(cpu);
        for index in 0..REQUESTS {
            self.batch.set_word(index, 0, 0);
        }
        self.prepare(part, is_polled, Transfer::Read);
        if !self.run(REQUESTS, is_polled) {
            return self.failed("a read");
        }
        for index in 0..REQUESTS {
            let words = self.length(index) / size_of::<u64>();
            let mut words = (0..words).step_by(STEP);
            if words.any(|word| self.batch.word(index, word) != pattern(part, index, word, is_polled)) {
                self.failed("a comparison of what was written and read");
            }
        }
    }

    /// Submits requests and waits for them. Returns false if one fails, or takes too long.
    fn run(&mut self, count: usize, is_polled: bool) -> bool {
        let mut is_in_time = self.batch.submit(count) == count;
        if is_polled {
            let limit = time::now_ns() + LIMIT_NS;
            while !self.batch.is_idle() && time::now_ns() < limit {
                self.disk.poll();
            }
        } else {
            is_in_time &= self.batch.wait_for(LIMIT_NS);
        }
        is_in_time && (0..count).all(|index| self.batch.status(index) == Some(block::OK))
    }
}

/// Returns a word that no other place of the disk has.
fn pattern(cpu: Cpu, index: usize, word: usize, is_polled: bool) -> u64 {
    let place = (cpu as u64) << 48 | (index as u64) << 40 | u64::from(is_polled) << 32 | word as u64;
    place.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

fn name_of(info: &BlockInfo) -> &str {
    block::text(&info.Name)
}
