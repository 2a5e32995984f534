//! Memory that leaves the machine while it runs, and comes back: what a driver for hot-plug calls.
use super::page_allocator::{give_back_caches, node_of, pages};
use crate::cpu::PreemptionOff;
use page_alloc::{AddError, RemoveError};
use units::FrameRange;

/// Takes frames away from their nodes, all of which are free, and returns how many: nobody is granted them until they are
/// [added](add) again. They stay mapped. Where one is in a CPU's cache, all CPUs are asked for what they have there; one that
/// has got there again meanwhile is in the way.
///
/// # Errors
/// [`RemoveError`], which names the lowest frame that is not free; nothing was changed.
pub fn remove(range: FrameRange) -> Result<u64, RemoveError> {
    let _off = PreemptionOff::new();
    match pages().remove_free(range) {
        Err(RemoveError::Cached(frame)) => {
            if let Some(node) = node_of(frame) {
                give_back_caches(node);
            }
            pages().remove_free(range)
        }
        result => result,
    }
}

/// Gives memory that was taken away back to its nodes, and returns how many frames. The range is one that [`remove`] took: the
/// kernel's own pages, which are sealed, would be granted a second time.
///
/// # Errors
/// [`AddError`]: it is there already, or was never the machine's.
pub fn add(range: FrameRange) -> Result<u64, AddError> {
    let _off = PreemptionOff::new();
    pages().add_free(range)
}
