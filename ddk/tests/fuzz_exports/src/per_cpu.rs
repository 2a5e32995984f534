//! Memory of each CPU: zeroed, aligned, and nobody else's. The kernel takes it back when the driver ends.
use crate::addresses::unwritable;
use crate::worker::{Worker, check};
use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, Ordering};
use driver_kit::abi::{self, KERNEL_LARGEST_PER_CPU, KERNEL_PAGE_SIZE, PerCpuGrant};

/// The driver asks for so many grants at most: it cannot free them.
const MOST_GRANTS: u64 = 12;
const LARGEST: u64 = 3 * KERNEL_PAGE_SIZE;

/// How often the driver has asked.
static ASKED: AtomicU64 = AtomicU64::new(0);
/// The pages that it has got.
static PAGES: AtomicU64 = AtomicU64::new(0);

/// Returns how many pages the driver has.
pub fn pages() -> u64 {
    PAGES.load(Ordering::Relaxed)
}

/// A grant that a worker has got.
pub struct PerCpu {
    memory: *mut u8,
    stride: usize,
    size: usize,
    stamp: u64,
}

impl PerCpu {
    /// Returns the part of a CPU.
    fn part(&self, cpu: usize) -> *mut u8 {
        self.memory.wrapping_add(cpu * self.stride)
    }

    /// Returns what is written at both ends of a CPU's part.
    fn mark(&self, cpu: usize) -> [u8; 8] {
        (self.stamp ^ (cpu as u64) << 56).to_le_bytes()
    }
}

pub fn step(worker: &mut Worker) {
    if worker.per_cpu.is_full() || worker.random.once_in(2) {
        look(worker);
        refused(worker);
    } else if ASKED.fetch_add(1, Ordering::Relaxed) < MOST_GRANTS {
        allocate(worker);
    }
}

fn empty_grant() -> PerCpuGrant {
    PerCpuGrant {
        Size: size_of::<PerCpuGrant>() as u32,
        Reserved: 7,
        Memory: core::ptr::without_provenance_mut::<c_void>(7),
        Stride: 7,
    }
}

fn is_empty(grant: &PerCpuGrant) -> bool {
    (grant.Reserved, grant.Memory.addr(), grant.Stride) == (7, 7, 7)
}

fn allocate(worker: &mut Worker) {
    // A stamp at both ends, and the CPU between.
    let size = worker.random.sized(LARGEST).max(24) as usize;
    let mut grant = empty_grant();
    worker.count(1);
    // SAFETY: the structure is a local variable.
    if !unsafe { abi::Kernel_AllocatePerCpu(size, &mut grant) } {
        check!(worker, is_empty(&grant));
        return;
    }
    let PerCpuGrant { Memory: memory, Stride: stride, .. } = grant;
    check!(worker, (memory.addr() as u64).is_multiple_of(KERNEL_PAGE_SIZE));
    check!(worker, stride.is_multiple_of(KERNEL_PAGE_SIZE) && stride >= size as u64);
    let per_cpu = PerCpu { memory: memory.cast(), stride: stride as usize, size, stamp: worker.stamp() };
    for cpu in 0..crate::cpus() {
        // SAFETY: the kernel has granted so many bytes for each CPU.
        let bytes = unsafe { core::slice::from_raw_parts_mut(per_cpu.part(cpu), size) };
        check!(worker, bytes.iter().all(|byte| *byte == 0));
        bytes[..8].copy_from_slice(&per_cpu.mark(cpu));
        bytes[size - 8..].copy_from_slice(&per_cpu.mark(cpu));
    }
    PAGES.fetch_add((size as u64).div_ceil(KERNEL_PAGE_SIZE) * crate::cpus() as u64, Ordering::Relaxed);
    worker.per_cpu.push(per_cpu);
}

/// Checks that each part is as the worker has left it.
fn look(worker: &mut Worker) {
    for index in 0..worker.per_cpu.len() {
        for cpu in 0..crate::cpus() {
            let per_cpu = &worker.per_cpu[index];
            let (mark, size) = (per_cpu.mark(cpu), per_cpu.size);
            // SAFETY: the kernel has granted so many bytes for each CPU.
            let bytes = unsafe { core::slice::from_raw_parts(per_cpu.part(cpu), size) };
            check!(worker, bytes[..8] == mark && bytes[size - 8..] == mark);
        }
    }
}

fn refused(worker: &mut Worker) {
    let mut grant = empty_grant();
    let bad = unwritable(&mut worker.random, &mut grant);
    let size = worker.random.pick(&[0, KERNEL_LARGEST_PER_CPU + 1, usize::MAX, usize::MAX - 4095]);
    worker.count(3);
    // SAFETY: the function follows no pointer that it refuses, and the structure is a local variable.
    unsafe {
        check!(worker, !abi::Kernel_AllocatePerCpu(size, &mut grant));
        check!(worker, !abi::Kernel_AllocatePerCpu(64, bad));
        grant.Size = 8;
        check!(worker, !abi::Kernel_AllocatePerCpu(64, &mut grant));
    }
    check!(worker, is_empty(&grant));
}
