//! Where a command's data lies, as the controller reads it: the first page, and the second or a list of the others (NVM Express 1.4
//! §4.3).
use crate::registers::{LIST, PAGE};
use driver_kit::abi::DmaSegment;
use driver_kit::dma::DmaCell;

/// A list of pages in memory that the controller reads.
pub type List = [DmaCell<u64>; LIST];

/// The data of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Data {
    /// The address of the first byte.
    pub first: u64,
    /// The second page; or the address of the list of all pages after the first; or 0.
    pub more: u64,
}

/// Data of which the controller cannot address the first segment: it does not begin at a multiple of 4, or is too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misaligned;

/// What one command can address of some segments: the first ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    pub data: Data,
    /// How many segments these are, at least 1.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Returns the data of a segment that lies in one page.
#[inline(always)]
pub fn in_one_page(segment: DmaSegment) -> Option<Data> {
    (segment.Address % PAGE + segment.Bytes <= PAGE).then_some(Data { first: segment.Address, more: 0 })
}

/// Describes as many of the segments as one command can address, with the help of a list whose address for the controller is
/// `list_address`. Only the first segment of a command may begin within a page, and only the last one may end there.
pub fn describe(
    segments: impl Iterator<Item = DmaSegment>,
    list: &List,
    list_address: u64,
) -> Result<Part, Misaligned> {
    let mut part = Part { data: Data { first: 0, more: 0 }, segments: 0, bytes: 0 };
    let (mut pages, mut end) = (0, 0_u64);
    for segment in segments {
        let is_first = part.segments == 0;
        let begins_well = if is_first { segment.Address % 4 == 0 } else { segment.Address % PAGE == 0 };
        let begin = segment.Address - segment.Address % PAGE;
        let end_of_segment = segment.Address.checked_add(segment.Bytes);
        let Some(end_of_segment) = end_of_segment.filter(|_| begins_well && end % PAGE == 0) else { break };
        // The first page of a command is not in the list.
        let listed = if is_first { begin + PAGE } else { begin };
        let count = end_of_segment.saturating_sub(listed).div_ceil(PAGE) as usize;
        let Some(entries) = list.get(pages..).and_then(|rest| rest.get(..count)) else { break };
        for (entry, page) in entries.iter().zip(0..) {
            entry.set(listed + page * PAGE);
        }
        if is_first {
            part.data.first = segment.Address;
        }
        pages += count;
        end = end_of_segment;
        part.segments += 1;
        part.bytes += segment.Bytes;
    }
    if part.segments == 0 {
        return Err(Misaligned);
    }
    part.data.more = match pages {
        0 => 0,
        1 => list[0].get(),
        _ => list_address,
    };
    Ok(part)
}
