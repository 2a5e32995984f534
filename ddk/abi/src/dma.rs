//! DMA: memory that devices access. A device address is a kind of number of its own, not a physical address.
use core::mem::size_of;

/// A contiguous part of memory, for a device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmaSegment {
    /// The device address of the first byte.
    pub Address: u64,
    /// Bytes.
    pub Bytes: u64,
}

const _: () = {
    assert!(size_of::<DmaSegment>() == 16);
};
