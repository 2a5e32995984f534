//! Memory of which each CPU has a part on its own node. It belongs to a driver, and is taken back with it.
use crate::arch::PageKind;
use crate::memory::allocate::{self, Zeroed};
use crate::memory::page_tables;
use crate::memory::page_uses::PageUse;
use crate::memory::protection;
use crate::platform::cpu_topology;
use crate::threads::Mutex;
use crate::threads::cpu_threads;
use crate::threads::owner::Owner;
use ::address_space::layout::{PER_CPU, PER_CPU_END};
use alloc::vec::Vec;
use protection_keys::Key;
use topology::Cpu;
use units::{FRAME_SIZE, FrameNumber, FrameRange, VirtAddr};

/// Addresses for 2^`order` pages, of which the last one is never mapped. They are used again, and with them their page tables, which are
/// never freed.
#[derive(Clone, Copy)]
struct Span {
    start: VirtAddr,
    order: u32,
}

/// The parts of all CPUs, in a row.
struct Grant {
    owner: Option<&'static Owner>,
    span: Span,
    /// The frame of each page that is mapped, from the span's start on.
    frames: Vec<FrameNumber>,
}

/// All grants.
struct Grants {
    granted: Vec<Grant>,
    /// The addresses that grants had which were taken back. There is room for those of all grants.
    free: Vec<Span>,
    /// The first address that was given to no grant.
    next: u64,
}

static GRANTS: Mutex<Grants> = Mutex::new(Grants { granted: Vec::new(), free: Vec::new(), next: PER_CPU.0 });

impl Grants {
    /// Returns addresses for so many pages, and one that stays unmapped behind them. Returns `None` if there are none, or if there is no
    /// memory to give them back later.
    fn take_span(&mut self, pages: u64) -> Option<Span> {
        let order = pages.checked_add(1)?.checked_next_power_of_two()?.trailing_zeros();
        // One more than there are grants: this one.
        self.free.try_reserve(self.granted.len() + 1).ok()?;
        if let Some(index) = self.free.iter().position(|span| span.order == order) {
            return Some(self.free.swap_remove(index));
        }
        let start = VirtAddr(self.next);
        self.next = start.0.checked_add(FRAME_SIZE << order).filter(|end| *end <= PER_CPU_END.0)?;
        Some(Span { start, order })
    }
}

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
    let span = grants.take_span(pages * cpus.len() as u64)?;
    let mut grant = Grant { owner, span, frames };
    let is_mapped = cpus.iter().all(|cpu| grant.map_part(cpu, pages).is_some());
    if !is_mapped {
        grant.free();
        grants.free.push(span);
        return None;
    }
    if protection::is_on() {
        let key = owner.map_or(Key::KERNEL, Owner::protection_key);
        protection::set_key(span.start, grant.frames.len() as u64, key);
    }
    grants.granted.push(grant);
    Some((span.start, pages * FRAME_SIZE))
}

impl Grant {
    /// Maps the pages of the next CPU's part.
    fn map_part(&mut self, cpu: &Cpu, pages: u64) -> Option<()> {
        for _ in 0..pages {
            let frame = allocate::allocate_for_kernel(PageUse::PerCpu, cpu.node, 1, Zeroed::Yes)?.frame;
            let page = VirtAddr(self.span.start.0 + self.frames.len() as u64 * FRAME_SIZE);
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
            unsafe { page_tables::unmap(self.span.start, self.frames.len() as u64) };
        }
        self.frames.into_iter().for_each(free_frame);
    }
}

fn free_frame(frame: FrameNumber) {
    // The frame was granted as one page. A refusal is logged, and the page then leaks.
    let _ = allocate::free_for_kernel(PageUse::PerCpu, frame, 1);
}

/// Returns how many pages a driver's memory of all CPUs has.
pub fn pages_of(owner: &'static Owner) -> u64 {
    let grants = GRANTS.lock();
    let of_owner = |grant: &&Grant| grant.owner.is_some_and(|other| core::ptr::eq(other, owner));
    grants.granted.iter().filter(of_owner).map(|grant| grant.frames.len() as u64).sum()
}

/// Calls `each` with the frames of a driver's memory of all CPUs.
pub fn for_each_frame(owner: &'static Owner, each: &mut dyn FnMut(FrameNumber)) {
    let grants = GRANTS.lock();
    let of_owner = |grant: &&Grant| grant.owner.is_some_and(|other| core::ptr::eq(other, owner));
    grants.granted.iter().filter(of_owner).flat_map(|grant| &grant.frames).for_each(|frame| each(*frame));
}

/// Takes back the memory of a driver of which nothing runs any more. Returns how many grants there were.
pub fn take_back(owner: &'static Owner) -> usize {
    let mut grants = GRANTS.lock();
    let of_owner = |grant: &Grant| grant.owner.is_some_and(|other| core::ptr::eq(other, owner));
    let mut count = 0;
    while let Some(index) = grants.granted.iter().position(of_owner) {
        let grant = grants.granted.swap_remove(index);
        let span = grant.span;
        grant.free();
        // There is room: `take_span` has reserved it.
        grants.free.push(span);
        count += 1;
    }
    count
}
