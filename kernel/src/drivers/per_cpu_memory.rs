//! Memory of which each CPU has a part on its own node. It belongs to a driver, and is taken back with it.
use crate::arch::PageKind;
use crate::memory::allocate::{self, Zeroed};
use crate::memory::page_tables;
use crate::platform::cpu_topology;
use crate::threads::Mutex;
use crate::threads::cpu_threads;
use crate::threads::owner::Owner;
use ::address_space::layout::{PER_CPU, PER_CPU_END};
use alloc::vec::Vec;
use topology::Cpu;
use units::{FRAME_SIZE, FrameNumber, FrameRange, VirtAddr};

/// The parts of all CPUs, in a row.
struct Grant {
    owner: Option<&'static Owner>,
    start: VirtAddr,
    /// The frame of each page that is mapped, from `start` on.
    frames: Vec<FrameNumber>,
}

/// All grants.
struct Grants {
    granted: Vec<Grant>,
    /// The first address that was given to no grant. No grant gets an address of another one, even if that was taken back.
    next: u64,
}

static GRANTS: Mutex<Grants> = Mutex::new(Grants { granted: Vec::new(), next: PER_CPU.0 });

/// Allocates `size` zeroed bytes for each CPU, on its node or the nearest one with memory, for the running thread's driver. Returns
/// the address of the first CPU's part, and the distance from one part to the next. Returns `None`, with nothing changed, if there is
/// not enough memory.
pub fn allocate(size: usize) -> Option<(VirtAddr, u64)> {
    let cpus = cpu_topology::cpus();
    let pages = (size as u64).div_ceil(FRAME_SIZE);
    let mut frames = Vec::new();
    frames.try_reserve_exact(pages as usize * cpus.len()).ok()?;
    let owner = cpu_threads::current_thread().driver();
    let mut grants = GRANTS.lock();
    grants.granted.try_reserve(1).ok()?;
    let start = VirtAddr(grants.next);
    // The page behind the last part stays unmapped.
    let bytes = (pages * cpus.len() as u64 + 1) * FRAME_SIZE;
    let end = start.0.checked_add(bytes).filter(|end| *end <= PER_CPU_END.0)?;
    let mut grant = Grant { owner, start, frames };
    let is_mapped = cpus.iter().all(|cpu| grant.map_part(cpu, pages).is_some());
    if !is_mapped {
        grant.free();
        return None;
    }
    grants.granted.push(grant);
    grants.next = end;
    Some((start, pages * FRAME_SIZE))
}

impl Grant {
    /// Maps the pages of the next CPU's part.
    fn map_part(&mut self, cpu: &Cpu, pages: u64) -> Option<()> {
        for _ in 0..pages {
            let frame = allocate::allocate_for_kernel(cpu.node, 1, Zeroed::Yes)?.frame;
            let page = VirtAddr(self.start.0 + self.frames.len() as u64 * FRAME_SIZE);
            // SAFETY: the frame was just allocated, and nothing else uses it. While `allocate` has the lock, no other grant
            // gets the page.
            let mapped = unsafe {
                page_tables::map(page, FrameRange::new(frame.0, frame.0 + 1), PageKind::Data, cpu.node)
            };
            if mapped.is_err() {
                free_frame(frame);
                return None;
            }
            self.frames.push(frame);
        }
        Some(())
    }

    /// Unmaps and frees the pages. Nothing uses them.
    fn free(self) {
        if !self.frames.is_empty() {
            // SAFETY: the caller's grant was handed to nobody, or to a driver of which nothing runs any more.
            unsafe { page_tables::unmap(self.start, self.frames.len() as u64) };
        }
        self.frames.into_iter().for_each(free_frame);
    }
}

fn free_frame(frame: FrameNumber) {
    // The frame was granted as one page. A refusal is logged, and the page then leaks.
    let _ = allocate::free_for_kernel(frame, 1);
}

/// Takes back the memory of a driver of which nothing runs any more. Returns how many grants there were.
pub fn take_back(owner: &'static Owner) -> usize {
    let mut count = 0;
    loop {
        let mut grants = GRANTS.lock();
        let of_owner = |grant: &Grant| grant.owner.is_some_and(|other| core::ptr::eq(other, owner));
        let Some(index) = grants.granted.iter().position(of_owner) else { return count };
        let grant = grants.granted.swap_remove(index);
        drop(grants);
        grant.free();
        count += 1;
    }
}
