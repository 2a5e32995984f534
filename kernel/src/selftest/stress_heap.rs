//! A stress test, run by the parameter `stress-heap=COUNT`. A thread on each CPU allocates and frees blocks of the heaps at random, of
//! all sizes, all nodes and several owners, and hands blocks to other CPUs. No block may have two holders at a time, wrong frees are
//! refused, and in the end the heaps have as many frames as before.
use super::heaps::settled_frames;
use super::{Outcome, ensure, on_each_cpu};
use crate::cpu;
use crate::memory::heap;
use crate::platform::numa_topology;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use node_heap::OwnerId;
use units::{CpuId, NodeId};

/// The number of blocks that a CPU holds at a time, at most.
const MOST_HELD: usize = 4096;
/// The number of operations after which a CPU changes from taking more than it frees to the reverse.
const TIDE: u64 = 8192;
/// The largest driver that the test plays. Drivers are loaded after the self-tests, so no real one has blocks meanwhile.
const DRIVERS: u64 = 3;
/// Places where a CPU leaves blocks for any CPU to free.
const PLACES: usize = 64;

static OPERATIONS: AtomicU64 = AtomicU64::new(0);
static GRANTED: AtomicU64 = AtomicU64::new(0);
static HANDED_OVER: AtomicU64 = AtomicU64::new(0);
static LEFT: [AtomicPtr<Block>; PLACES] = [const { AtomicPtr::new(null_mut()) }; PLACES];

/// The first words of a block that the test holds.
#[repr(C)]
struct Block {
    /// The block's address, exclusive-or [`MARK`].
    mark: u64,
    size: u32,
    owner: u32,
}

const MARK: u64 = 0x6865_6170_2d6d_726b;
/// The smallest size that is asked for.
const SMALLEST: u64 = size_of::<Block>() as u64;

/// Does so many operations, and checks that the heaps have no more frames than before.
pub fn loses_nothing(operations: u64) -> Outcome {
    // The first run makes what stays: page tables, stacks.
    run_all(1000)?;
    let before = settled_frames();
    let cpus = cpu::online().count() as u64;
    run_all(operations.div_ceil(cpus))?;
    let after = settled_frames();
    ensure!(after == before, "frames of the heaps before {before:?}, after {after:?}");
    let [granted, handed_over] = [&GRANTED, &HANDED_OVER].map(|count| count.load(Ordering::Relaxed));
    log::info!(
        target: "selftest",
        "{cpus} CPUs did {operations} operations on the heaps, {granted} blocks, {handed_over} of them handed over; none was lost or had two holders"
    );
    Ok(())
}

fn run_all(operations_each: u64) -> Outcome {
    OPERATIONS.store(operations_each, Ordering::Relaxed);
    let outcome = on_each_cpu::test_on_each_cpu(stress);
    for place in &LEFT {
        if let Some(block) = NonNull::new(place.swap(null_mut(), Ordering::AcqRel)) {
            free(block)?;
        }
    }
    outcome
}

/// Runs the test on one CPU. Returns 0 if nothing is wrong.
unsafe extern "C" fn stress(cpu: *mut c_void) -> i32 {
    on_each_cpu::test_on_cpu(cpu, |cpu, moved| {
        moved?;
        HeapStress::new(cpu).run(OPERATIONS.load(Ordering::Relaxed))
    })
}

struct HeapStress {
    random: u64,
    held: Vec<NonNull<Block>>,
    granted: u64,
    handed_over: u64,
}

impl HeapStress {
    fn new(cpu: CpuId) -> Self {
        let random = 0x9e37_79b9_7f4a_7c15_u64.rotate_left(cpu.0 * 7 + 1);
        Self { random, held: Vec::with_capacity(MOST_HELD), granted: 0, handed_over: 0 }
    }

    /// Returns a number that looks random (xorshift).
    fn roll(&mut self, sides: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) % sides
    }

    fn run(mut self, operations: u64) -> Outcome {
        for operation in 0..operations {
            let takes = if (operation / TIDE).is_multiple_of(2) { 5 } else { 3 };
            if self.held.len() < MOST_HELD && (self.held.is_empty() || self.roll(8) < takes) {
                self.allocate();
                continue;
            }
            let which = self.roll(self.held.len() as u64) as usize;
            let block = self.held.swap_remove(which);
            match self.roll(8) {
                0 => self.hand_over(block)?,
                1 => free_wrongly_then_well(block)?,
                _ => free(block)?,
            }
        }
        self.held.drain(..).try_for_each(free)?;
        GRANTED.fetch_add(self.granted, Ordering::Relaxed);
        HANDED_OVER.fetch_add(self.handed_over, Ordering::Relaxed);
        Ok(())
    }

    fn allocate(&mut self) {
        let size = match self.roll(16) {
            0..10 => SMALLEST + self.roll(240),
            10..15 => SMALLEST + self.roll(4080),
            _ => SMALLEST + self.roll(16 << 10),
        };
        let nodes = numa_topology::get().node_count() as u64;
        let node = NodeId::new(self.roll(nodes) as usize).unwrap_or(NodeId::ZERO);
        let owner = self.roll(4 * DRIVERS).saturating_sub(3 * DRIVERS) as usize;
        let Some((owner, layout)) = OwnerId::new(owner).zip(layout(size as usize)) else { return };
        let block = match owner {
            OwnerId::KERNEL => heap::allocate(node, layout),
            driver => heap::allocate_for(driver, node, layout),
        };
        if let Some(block) = block.map(NonNull::cast::<Block>) {
            let mark = block.addr().get() as u64 ^ MARK;
            // SAFETY: the block was granted above, with room for these words, and is aligned to 16 bytes.
            unsafe { block.write(Block { mark, size: size as u32, owner: owner.index() as u32 }) };
            self.held.push(block);
            self.granted += 1;
        }
    }

    /// Leaves a block for any CPU, and frees one that a CPU has left there.
    fn hand_over(&mut self, block: NonNull<Block>) -> Outcome {
        let place = self.roll(PLACES as u64) as usize;
        self.handed_over += 1;
        NonNull::new(LEFT[place].swap(block.as_ptr(), Ordering::AcqRel)).map_or(Ok(()), free)
    }
}

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size, 16).ok()
}

/// Checks a block that the test holds, and frees it.
fn free(block: NonNull<Block>) -> Outcome {
    let address = block.addr().get();
    // SAFETY: the block is one that `allocate` has granted and written, and that this CPU alone holds.
    let Block { mark, size, owner } = unsafe { block.read() };
    ensure!(mark == address as u64 ^ MARK, "the block at {address:#x} has two holders");
    // SAFETY: as above.
    unsafe { (&raw mut (*block.as_ptr()).mark).write(0) };
    let (owner, layout) = OwnerId::new(owner as usize).zip(layout(size as usize)).ok_or("no such owner")?;
    if owner == OwnerId::KERNEL {
        // SAFETY: `heap::allocate` has returned the block for this layout, and nothing uses it.
        unsafe { heap::free(block.cast(), layout) };
        return Ok(());
    }
    heap::free_of(owner, block.cast()).map_err(|error| alloc::format!("a block in use: {error}"))
}

/// Frees a block as another owner, and at an inner address, which is refused. Then frees it.
fn free_wrongly_then_well(block: NonNull<Block>) -> Outcome {
    // SAFETY: as in `free`.
    let owner = unsafe { (&raw const (*block.as_ptr()).owner).read() } as usize;
    let other = OwnerId::new(owner + 1).ok_or("no such owner")?;
    let address = block.addr().get();
    ensure!(heap::free_of(other, block.cast()).is_err(), "another owner has freed {address:#x}");
    let inside = block.cast::<u8>().map_addr(|address| address.saturating_add(8));
    ensure!(heap::free_of(other, inside).is_err(), "{address:#x} was freed at an inner address");
    free(block)
}
