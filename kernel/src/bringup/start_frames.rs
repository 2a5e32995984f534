//! The frames that the other CPUs start from.
use crate::arch::StartFrames;
use crate::memory::allocate::{self, Zeroed};
use crate::memory::page_uses::PageUse;
use crate::platform::cpu_topology;
use memory_map::MemoryMap;
use spin::Once;
use units::{FrameNumber, NodeId, PhysAddr};

/// The last address of 32 bits.
const BELOW_4_GIB: PhysAddr = PhysAddr(0xffff_ffff);

/// The frames. They are never freed: a CPU that did not start in time may still read them later.
static START_FRAMES: Once<StartFrames> = Once::new();

/// Takes the frames. The memory map keeps `real_mode_frame` out of the page allocator for this. A machine with one CPU needs none.
pub fn reserve(map: &MemoryMap) {
    if cpu_topology::cpus().len() > 1
        && let Some(start_page) = map.real_mode_frame
        && let Some(frames) = take(start_page, cpu_topology::boot_cpu().node)
    {
        START_FRAMES.call_once(|| frames);
    }
}

/// Returns the frames, or `None` if there were none to take.
pub fn get() -> Option<&'static StartFrames> {
    START_FRAMES.get()
}

fn take(start_page: FrameNumber, node: NodeId) -> Option<StartFrames> {
    let mut tables = [start_page; 4];
    for table in &mut tables {
        *table = allocate::allocate_below(PageUse::Cpus, node, BELOW_4_GIB, Zeroed::Yes)?;
    }
    Some(StartFrames { start_page, tables })
}
