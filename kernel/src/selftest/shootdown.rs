//! When a page has been unmapped, no CPU reaches what was there: not one that runs, not one that slept meanwhile, and not when
//! all unmap at once.
use super::on_each_cpu;
use super::{Outcome, ensure};
use crate::arch::{self, PageKind};
use crate::cpu;
use crate::cpu::Cpu;
use crate::cpu::shootdown;
use crate::memory::address_space::SELFTEST;
use crate::memory::allocate::{self, Zeroed};
use crate::memory::page_tables;
use crate::platform::cpu_topology;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use units::{FRAME_SIZE, FrameNumber, FrameRange, NodeId, VirtAddr};

const OLD: u64 = 0x01d0_1d01;
const NEW: u64 = 0x0e10_0e10;

/// Two frames with different content, and one page that leads to the one and then to the other.
struct Swap {
    old: FrameNumber,
    new: FrameNumber,
}

impl Swap {
    fn begin() -> Result<Self, alloc::string::String> {
        let swap = Self { old: frame_with(OLD)?, new: frame_with(NEW)? };
        map(SELFTEST, swap.old);
        Ok(swap)
    }

    fn swap(&self) {
        // SAFETY: the page is the self-test's, and its readers bear that it goes.
        unsafe { page_tables::unmap(SELFTEST, 1) };
        map(SELFTEST, self.new);
    }

    fn end(self) -> Outcome {
        // SAFETY: nobody reads the page any more.
        unsafe { page_tables::unmap(SELFTEST, 1) };
        give_back(self.old)?;
        give_back(self.new)
    }
}

fn frame_with(mark: u64) -> Result<FrameNumber, alloc::string::String> {
    let grant = allocate::allocate_for_kernel(NodeId::ZERO, 1, Zeroed::No).ok_or("no page to be had")?;
    // SAFETY: the frame was just allocated for this.
    unsafe { arch::physical_memory(grant.frame.address()).cast::<u64>().write_volatile(mark) };
    Ok(grant.frame)
}

fn give_back(frame: FrameNumber) -> Outcome {
    let freed = allocate::free_for_kernel(frame, 1);
    ensure!(freed.is_ok(), "a page at {} could not be freed: {freed:?}", frame.address());
    Ok(())
}

fn map(page: VirtAddr, frame: FrameNumber) {
    let mut table_frames = || allocate::allocate_table_frame(NodeId::ZERO);
    let frames = FrameRange::new(frame.0, frame.0 + 1);
    // SAFETY: the frame and the page are the self-test's.
    let mapped = unsafe { page_tables::map(page, frames, PageKind::Data, &mut table_frames) };
    mapped.expect("the self-test's pages are free, and so is some memory");
}

fn read(page: VirtAddr) -> u64 {
    // SAFETY: the page is mapped while CPUs read it.
    unsafe { core::ptr::with_exposed_provenance::<u64>(page.0 as usize).read_volatile() }
}

/// CPUs that have read the old content; those that then read other than the new.
static READY: AtomicUsize = AtomicUsize::new(0);
static STALE: AtomicUsize = AtomicUsize::new(0);
static SWAPPED: AtomicBool = AtomicBool::new(false);

fn expect(mark: u64) {
    STALE.fetch_add(usize::from(read(SELFTEST) != mark), SeqCst);
}

fn begin() -> Result<Swap, alloc::string::String> {
    READY.store(0, SeqCst);
    STALE.store(0, SeqCst);
    SWAPPED.store(false, SeqCst);
    Swap::begin()
}

fn stale_readers() -> Outcome {
    let stale = STALE.load(SeqCst);
    ensure!(stale == 0, "{stale} CPUs still reached a page that had been unmapped");
    Ok(())
}

/// All other CPUs have read a page and run on; the boot CPU makes it another page; all read again.
pub fn reaches_cpus_that_run() -> Outcome {
    static SWAP: spin::Mutex<Option<Swap>> = spin::Mutex::new(None);
    *SWAP.lock() = Some(begin()?);
    on_each_cpu::run_on_each_cpu(|cpu| {
        if cpu.id == cpu_topology::boot_cpu().id { swap_when_all_are_ready() } else { read_twice() }
    });
    fn read_twice() {
        arch::with_interrupts_on(|| {
            expect(OLD);
            READY.fetch_add(1, SeqCst);
            while !SWAPPED.load(SeqCst) {
                core::hint::spin_loop();
            }
            expect(NEW);
        });
    }
    fn swap_when_all_are_ready() {
        expect(OLD);
        while READY.load(SeqCst) < cpu::online().count() - 1 {
            core::hint::spin_loop();
        }
        // Nothing else takes this lock.
        let swap = SWAP.lock().take();
        if let Some(swap) = &swap {
            swap.swap();
        }
        SWAPPED.store(true, SeqCst);
        expect(NEW);
        *SWAP.lock() = swap;
    }
    let swap = SWAP.lock().take();
    swap.map_or(Ok(()), Swap::end)?;
    stale_readers()
}

/// All CPUs have read a page and all but the boot CPU sleep when it becomes another page; woken, they read again.
pub fn reaches_cpus_that_sleep() -> Outcome {
    let swap = begin()?;
    on_each_cpu::run_on_each_cpu(|_| expect(OLD));
    swap.swap();
    on_each_cpu::run_on_each_cpu(|_| expect(NEW));
    swap.end()?;
    stale_readers()
}

/// Pages that each CPU maps and unmaps, one after the other.
const ROUNDS: u64 = 8;

/// All CPUs unmap pages of their own at once, interrupts off: none waits for ever, and each sees its own pages.
pub fn goes_on_when_all_unmap_at_once() -> Outcome {
    STALE.store(0, SeqCst);
    on_each_cpu::run_on_each_cpu(map_and_unmap);
    stale_readers()
}

fn map_and_unmap(cpu: &Cpu) {
    let page = VirtAddr(SELFTEST.0 + (1 + cpu.id.index() as u64) * FRAME_SIZE);
    for round in 0..ROUNDS {
        let Ok(frame) = frame_with(round) else { return };
        map(page, frame);
        STALE.fetch_add(usize::from(read(page) != round), SeqCst);
        // SAFETY: the page is this CPU's alone.
        unsafe { page_tables::unmap(page, 1) };
        STALE.fetch_add(usize::from(allocate::free_for_kernel(frame, 1).is_err()), SeqCst);
        shootdown::answer();
    }
}
