//! Makes a driver that loads wrong in one thing.
use crate::builder::*;
use elf_image::{Image, ImageError, SegmentFault};

/// The indices of segments in [`Driver::new`].
pub const TEXT: usize = 1;
pub const WRITABLE: usize = 2;
pub const RELRO: usize = 4;
pub const STACK: usize = 5;

/// Returns the file of a driver with this change.
pub fn changed(change: impl FnOnce(&mut Driver)) -> &'static [u8] {
    let mut driver = Driver::new();
    change(&mut driver);
    driver.bytes().leak()
}

/// Returns why a driver with this change is refused, after a check that the reason fits on one line.
pub fn refused(change: impl FnOnce(&mut Driver)) -> ImageError<'static> {
    let error = Image::parse(changed(change)).expect_err("refused");
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
    error
}

/// Returns the image of a driver with this change, which must be accepted.
pub fn accepted(change: impl FnOnce(&mut Driver)) -> Image<'static> {
    Image::parse(changed(change)).expect("accepted")
}

/// Returns the error for the segment at `address`.
pub fn segment(address: u64, fault: SegmentFault) -> ImageError<'static> {
    ImageError::Segment { address, fault }
}
