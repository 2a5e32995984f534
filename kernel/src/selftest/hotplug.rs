//! Tests that memory of a node goes offline and online again, as when a module is unplugged and plugged in again.
use super::pages::{free_grant, state};
use super::{Outcome, Work, ensure};
use crate::memory::allocate::{self, Zeroed};
use crate::memory::frames;
use crate::memory::hotplug;
use crate::platform::numa_topology;
use alloc::string::String;
use page_alloc::{AddError, FreeError, Grant, IsolateError, Request};
use units::{FrameRange, NodeId};

/// The number of frames: 16 MiB.
const FRAMES: u64 = 4096;

/// For each node with 16 MiB in one piece, checks that they cannot be taken offline while they are in use, that they can once they
/// are free, that they are not granted then, and that the node is as before once they are back.
pub fn memory_leaves_and_comes_back() -> Result<Work, String> {
    let mut done = false;
    for node in numa_topology::get().nodes() {
        let before = state(node.id);
        let Some(grant) = sixteen_mib(node.id) else { continue };
        let range = FrameRange::new(grant.frame.0, grant.frame.0 + FRAMES);
        let refused = hotplug::remove(range);
        ensure!(
            refused == Err(IsolateError::InUse(range.start)),
            "memory in use was taken away: {refused:?}"
        );
        free_grant(grant.frame, FRAMES)?;

        let removed = hotplug::remove(range);
        ensure!(removed == Ok(FRAMES), "free memory of node {} was not taken away: {removed:?}", node.id);
        let outcome = is_gone(node.id, range, before.0);
        let added = hotplug::add(range);
        ensure!(added == Ok(FRAMES), "node {} did not get its memory back: {added:?}", node.id);
        outcome?;
        let again = hotplug::add(range);
        ensure!(again == Err(AddError::AlreadyAdded(range.start)), "memory was added twice: {again:?}");
        let after = state(node.id);
        ensure!(after == before, "node {} had {before:?}, and now has {after:?}", node.id);
        done = true;
    }
    Ok(Work::done_if(done, "no node has 16 MiB in one piece"))
}

fn sixteen_mib(node: NodeId) -> Option<Grant> {
    let request = Request { strict: true, ..Request::new(FRAMES, node) };
    allocate::allocate(&request, Zeroed::No).ok()
}

/// Checks that the node has lost exactly this range, and that no page of it is granted, freed, or taken offline a second time.
fn is_gone(node: NodeId, range: FrameRange, free_before: u64) -> Outcome {
    let (free, first) = (frames::node_stats(node).free, range.start);
    ensure!(free == free_before - FRAMES, "of {free_before} free pages {free} are left");
    ensure!(frames::node_of(first) == Some(node), "{} is no longer node {node}'s", first.address());
    let freed = allocate::free(first, 1);
    ensure!(freed == Err(FreeError::NeverAdded(first)), "a page that was taken away was freed: {freed:?}");
    let again = hotplug::remove(range);
    ensure!(again == Err(IsolateError::NeverAdded(first)), "memory was taken away twice: {again:?}");
    if let Some(other) = sixteen_mib(node) {
        free_grant(other.frame, FRAMES)?;
        let common = FrameRange::new(other.frame.0, other.frame.0 + FRAMES).intersection(range);
        ensure!(common.is_empty(), "memory that was taken away was granted");
    }
    Ok(())
}
