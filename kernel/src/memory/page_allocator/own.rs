//! Pages for the kernel itself. They are sealed, so that no driver can free them.
use super::{Zeroed, allocate, allocate_quickly, count_refused, fill, pages};
use crate::cpu::PreemptionOff;
use crate::memory::cpu_memory;
use page_alloc::{FreeError, Grant, Request};
use units::{FrameNumber, NodeId, PhysAddr};

/// `count` contiguous frames for the kernel itself, of `node` or the nearest to it that has them. [`free_for_kernel`] alone takes
/// them back: no driver can, whatever it frees.
pub fn allocate_for_kernel(node: NodeId, count: u64, zeroed: Zeroed) -> Option<Grant> {
    if let Some(frame) = allocate_quickly(node, count) {
        let grant = Grant { frame, count, node, fell_back: false };
        fill(grant, zeroed);
        return seal(grant);
    }
    allocate_sealed(&Request::new(count, node), zeroed)
}

/// The same, of `node` or not at all.
pub fn allocate_for_kernel_on(node: NodeId, count: u64, zeroed: Zeroed) -> Option<Grant> {
    allocate_sealed(&Request { strict: true, ..Request::new(count, node) }, zeroed)
}

fn allocate_sealed(request: &Request, zeroed: Zeroed) -> Option<Grant> {
    let request = Request { cpu_node: cpu_memory::current().node, ..*request };
    seal(allocate(&request, zeroed).ok()?)
}

/// Makes a grant the kernel's. `None` where a driver has guessed the address just now and freed it: then it is not.
fn seal(grant: Grant) -> Option<Grant> {
    let _off = PreemptionOff::new();
    pages().seal(grant.frame, grant.count).ok()?;
    Some(grant)
}

/// A frame for the kernel itself, none of whose bytes lies above `highest`.
pub fn allocate_below(node: NodeId, highest: PhysAddr, zeroed: Zeroed) -> Option<FrameNumber> {
    let request = Request { highest: Some(highest), ..Request::new(1, node) };
    allocate_sealed(&request, zeroed).map(|grant| grant.frame)
}

/// A frame for a page table, which whoever maps with it fills.
pub fn allocate_table_frame(node: NodeId) -> Option<FrameNumber> {
    allocate_for_kernel(node, 1, Zeroed::No).map(|grant| grant.frame)
}

/// Takes back what was granted to the kernel itself.
///
/// # Errors
/// [`FreeError`]; nothing was changed.
pub fn free_for_kernel(frame: FrameNumber, count: u64) -> Result<(), FreeError> {
    let freed = {
        let _off = PreemptionOff::new();
        pages().free_sealed(frame, count).inspect_err(count_refused)
    };
    freed.inspect_err(|error| {
        log::error!(target: "pages", "the kernel freed {count} pages at {:#x}: {error}; refused", frame.address().0);
    })
}
