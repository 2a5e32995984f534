//! Where a command's data lies, as the controller reads it: the first page, and the second or a list of the others (NVM Express 1.4
//! §4.3).
use crate::registers::{LIST, PAGE};
use driver_kit::abi::DmaSegment;
use driver_kit::block::Request;
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

/// Data that the controller cannot address. Only the first segment may begin within a page, and only the last may end there. A segment begins
/// at a multiple of 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misaligned;

/// Returns the data of a segment that lies in one page.
#[inline(always)]
pub fn in_one_page(segment: DmaSegment) -> Option<Data> {
    (segment.Address % PAGE + segment.Bytes <= PAGE).then_some(Data { first: segment.Address, more: 0 })
}

/// Describes the data of a request, with the help of a list whose address for the controller is `list_address`.
pub fn describe(request: &Request<'_>, list: &List, list_address: u64) -> Result<Data, Misaligned> {
    let (mut first, mut pages, mut end) = (None, 0, 0);
    for segment in request.segments() {
        let is_first = first.is_none();
        let begins_well = if is_first { segment.Address % 4 == 0 } else { segment.Address % PAGE == 0 };
        if !begins_well || end % PAGE != 0 {
            return Err(Misaligned);
        }
        first.get_or_insert(segment.Address);
        end = segment.Address.checked_add(segment.Bytes).ok_or(Misaligned)?;
        let mut page =
            if is_first { segment.Address - segment.Address % PAGE + PAGE } else { segment.Address };
        while page < end {
            list.get(pages).ok_or(Misaligned)?.set(page);
            pages += 1;
            page += PAGE;
        }
    }
    let more = match pages {
        0 => 0,
        1 => list[0].get(),
        _ => list_address,
    };
    Ok(Data { first: first.unwrap_or(0), more })
}
