//! The frames that the other CPUs start from.
use crate::arch::StartFrames;
use crate::memory::allocate::{self, Zeroed};
use crate::platform::cpu_topology;
use spin::Once;
use units::{NodeId, PhysAddr};

/// The last address that a CPU starts from in real mode.
const BELOW_1_MIB: PhysAddr = PhysAddr(0x000f_ffff);
/// The last address of 32 bits.
const BELOW_4_GIB: PhysAddr = PhysAddr(0xffff_ffff);

/// The frames. They are never freed: a CPU that did not start in time may still read them later.
static START_FRAMES: Once<StartFrames> = Once::new();

/// Takes the frames, before anything else takes the little memory that real mode reaches. A machine with one CPU needs none.
pub fn reserve() {
    if cpu_topology::cpus().len() > 1
        && let Some(frames) = take(cpu_topology::boot_cpu().node)
    {
        START_FRAMES.call_once(|| frames);
    }
}

/// Returns the frames, or `None` if there were none to take.
pub fn get() -> Option<&'static StartFrames> {
    START_FRAMES.get()
}

fn take(node: NodeId) -> Option<StartFrames> {
    let start_page = allocate::allocate_below(node, BELOW_1_MIB, Zeroed::Yes)?;
    let mut tables = [start_page; 4];
    for table in &mut tables {
        *table = allocate::allocate_below(node, BELOW_4_GIB, Zeroed::Yes)?;
    }
    Some(StartFrames { start_page, tables })
}
