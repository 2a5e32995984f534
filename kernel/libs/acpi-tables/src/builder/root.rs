//! Builds root pointers.
use zerocopy::IntoBytes;

use crate::checksum::sum_of;
use crate::wire::{ExtendedRsdp, Rsdp};

/// Builds a root pointer of revision 0.
#[must_use]
pub fn rsdp(rsdt: u32) -> Rsdp {
    pointer(0, rsdt)
}

/// Builds a root pointer of revision 2.
#[must_use]
pub fn extended_rsdp(rsdt: u32, xsdt: u64) -> ExtendedRsdp {
    let mut pointer = ExtendedRsdp {
        rsdp: pointer(2, rsdt),
        length: (size_of::<ExtendedRsdp>() as u32).into(),
        xsdt_address: xsdt.into(),
        extended_checksum: 0,
        reserved: [0; 3],
    };
    pointer.extended_checksum = sum_of(pointer.as_bytes()).wrapping_neg();
    pointer
}

fn pointer(revision: u8, rsdt: u32) -> Rsdp {
    let mut pointer = Rsdp {
        signature: Rsdp::SIGNATURE,
        checksum: 0,
        oem_id: *b"OEM ID",
        revision,
        rsdt_address: rsdt.into(),
    };
    pointer.checksum = sum_of(pointer.as_bytes()).wrapping_neg();
    pointer
}
