//! The clocks that tables describe: the HPET's place and the PM timer's (IA-PC HPET 1.0a §3.2.4, ACPI 6.5 §5.2.9).
use units::PhysAddr;
use zerocopy::FromBytes;

use crate::find::find;
use crate::wire::{FadtHeader, GenericAddress, HpetTable};
use crate::{Findings, Signature};

/// The PM timer: a counter of 3.579545 MHz at an I/O port (ACPI 6.5 §4.8.3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PmTimer {
    /// The port, which is read with 32 bits.
    pub port: u16,
    /// The counter's bits: 24 or 32.
    pub bits: u32,
}

/// Returns the physical address of the HPET's registers, or `None` if no table gives it. See
/// [`find_srat`](crate::find_srat) for `tables`.
///
/// Only the first HPET is found: a machine has a table for each.
pub fn find_hpet<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<PhysAddr> {
    // Several tables are no fault, so the others are hidden from the check for duplicates.
    let first = tables.into_iter().find(|bytes| bytes.starts_with(&Signature::HPET.0));
    let bytes = find(first, Signature::HPET, size_of::<HpetTable>(), &|_, _| Some(()), findings)?;
    let (table, _) = HpetTable::ref_from_prefix(bytes).ok()?;
    let base = table.base_address;
    let is_present = base.address_space == GenericAddress::MEMORY && base.address.get() != 0;
    is_present.then_some(PhysAddr(base.address.get()))
}

/// Returns the PM timer, or `None` if no FADT gives its place, or if that is not an I/O port. See
/// [`find_srat`](crate::find_srat) for `tables` and for the choice among several.
pub fn find_pm_timer<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    findings: &mut dyn Findings,
) -> Option<PmTimer> {
    let read = |bytes, _: &mut dyn Findings| pm_timer(bytes).map(drop);
    find(tables, Signature::FADT, size_of::<FadtHeader>(), &read, findings).and_then(pm_timer)
}

/// Returns the PM timer that this FADT describes, or `None` if it describes none at an I/O port.
fn pm_timer(bytes: &[u8]) -> Option<PmTimer> {
    let (fadt, _) = FadtHeader::ref_from_prefix(bytes).ok()?;
    let flags = fadt.flags.get();
    if flags & FadtHeader::HARDWARE_REDUCED != 0 || fadt.pm_timer_length != 4 {
        return None;
    }
    // The extended field replaces the other one, unless it is 0 (ACPI 6.5 §5.2.9).
    let port = match extended_place(bytes) {
        Some(place) if place.address_space == GenericAddress::IO_PORT => place.address.get(),
        Some(_) => return None,
        None => fadt.pm_timer_block.get().into(),
    };
    let port = u16::try_from(port).ok().filter(|port| *port != 0)?;
    let bits = if flags & FadtHeader::TIMER_HAS_32_BITS != 0 { 32 } else { 24 };
    Some(PmTimer { port, bits })
}

/// Returns the PM timer's extended place, or `None` if the table is too short for it or the address is 0.
fn extended_place(fadt: &[u8]) -> Option<GenericAddress> {
    let bytes = fadt.get(FadtHeader::EXTENDED_PM_TIMER_OFFSET..)?;
    let (place, _) = GenericAddress::read_from_prefix(bytes).ok()?;
    (place.address.get() != 0).then_some(place)
}
