//! The header of the DMAR (Intel VT-d 4.1 §8.1).
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::SdtHeader;

/// The header of a DMAR.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DmarHeader {
    /// The common header.
    pub header: SdtHeader,
    /// The bits of a DMA address, less one.
    pub host_address_width: u8,
    /// [`DmarHeader::X2APIC_OPT_OUT`], and bits that the kernel does not read.
    pub flags: u8,
    /// Reserved.
    pub reserved: [u8; 10],
}

impl DmarHeader {
    /// Bit of `flags`: system software is asked not to switch to x2APIC mode.
    pub const X2APIC_OPT_OUT: u8 = 1 << 1;
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<DmarHeader>() == 48);
    assert!(offset_of!(DmarHeader, flags) == 37);
};
