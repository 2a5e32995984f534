//! Builds the tables that describe clocks.
use zerocopy::{FromZeros, IntoBytes};

use alloc::vec::Vec;

use super::{TableBuilder, header, seal};
use crate::Signature;
use crate::wire::{FadtHeader, GenericAddress, HpetTable};

impl TableBuilder {
    /// Starts the table of an HPET whose registers are at this physical address.
    #[must_use]
    pub fn hpet(address: u64) -> Self {
        let mut table = HpetTable::new_zeroed();
        table.header = header(Signature::HPET, 1);
        table.event_timer_block_id = 0x8086_a201.into();
        table.base_address.address = address.into();
        Self(table.as_bytes().to_vec())
    }

    /// Starts a FADT of revision 1, with a PM timer of 24 bits at this port.
    #[must_use]
    pub fn fadt(pm_timer_port: u32) -> Self {
        let mut table = FadtHeader::new_zeroed();
        table.header = header(Signature::FADT, 1);
        table.pm_timer_block = pm_timer_port.into();
        table.pm_timer_length = 4;
        Self(table.as_bytes().to_vec())
    }
}

/// Builds the place of a register.
#[must_use]
pub fn generic_address(address_space: u8, address: u64) -> GenericAddress {
    GenericAddress { address_space, bit_width: 32, bit_offset: 0, access_size: 3, address: address.into() }
}

/// Returns a FADT with the fields of later revisions, all 0 but the PM timer at port 0x608 and these bytes at these offsets.
///
/// # Panics
/// If an offset is beyond the table.
#[must_use]
pub fn long_fadt(changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut table = TableBuilder::fadt(0x608).entry(&[0_u8; 128]).build();
    for (offset, bytes) in changes {
        table[*offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    seal(&mut table);
    table
}
