//! Finds the capabilities of a function by id, one after the other.
use crate::{ConfigSpace, Function};

/// The id of a capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CapabilityId {
    /// In the first 256 bytes.
    Plain(u8),
    /// From offset 256 on.
    Extended(u16),
}

/// Returns the offset of the first capability with this id behind the one at `after`, or of the first one at all. Returns `None` if there
/// is no other, or if no capability starts at `after`.
pub fn find_capability(
    config: &impl ConfigSpace,
    function: &Function,
    id: CapabilityId,
    after: Option<u16>,
) -> Option<u16> {
    match id {
        CapabilityId::Plain(id) => {
            let list = function.capabilities(config)?.flatten();
            next(list.map(|capability| (capability.offset, capability.id == id)), after)
        }
        CapabilityId::Extended(id) => {
            let list = function.extended_capabilities(config)?.flatten();
            next(list.map(|capability| (capability.offset, capability.id == id)), after)
        }
    }
}

/// Of a list's offsets, each with whether it is wanted, returns the first wanted one behind `after`.
fn next(mut list: impl Iterator<Item = (u16, bool)>, after: Option<u16>) -> Option<u16> {
    if let Some(after) = after {
        list.find(|&(offset, _)| offset == after)?;
    }
    list.find(|&(_, is_wanted)| is_wanted).map(|(offset, _)| offset)
}
