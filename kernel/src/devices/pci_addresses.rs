//! Gives addresses to BARs that firmware has left without one.
use super::pci_faults::PciFaults;
use crate::platform::{clock_tables, interrupt_tables, pci_tables};
use alloc::vec::Vec;
use device_nodes::LocatedFunction;
use pci::{AddressRange, Bar, ConfigSpace, PciAddress, TAKEN_PER_FUNCTION, Taken};
use units::{FRAME_SIZE, PhysAddr};

/// Where a PC has the I/O APIC, the HPET, the local APICs, other devices of the chipset, and firmware.
const CHIPSET: AddressRange = AddressRange { first: 0xfec0_0000, last: 0xffff_ffff };

/// Gives addresses to BARs that have none, and reports those that get none. `functions` are all of the machine's, in ascending
/// order.
pub fn assign(config: &impl ConfigSpace, functions: &mut [LocatedFunction], faults: &mut PciFaults) {
    if !pci::lacks_addresses(functions) {
        return;
    }
    let lists = reserved().and_then(|reserved| {
        let taken = storage(TAKEN_PER_FUNCTION * functions.len() + reserved.len())?;
        Some((reserved, taken))
    });
    let Some((reserved, mut taken)) = lists else {
        log::warn!(target: "devices", "BARs without an address get none: there is no memory to find free addresses");
        return;
    };
    let windows = pci_tables::host_bridges().windows();
    let mut say = |function: PciAddress, number: u8, bar: Bar| {
        log::info!(target: "devices", "{function} BAR {number}: {bar}, which the kernel has chosen");
    };
    let mut report = |fault| faults.report(fault);
    pci::assign(config, functions, windows, &reserved, &mut taken, &mut say, &mut report);
}

/// Returns the memory that no BAR may get: all that the memory map lists, configuration space, and devices that are no functions of
/// PCI. Returns `None` if there is no memory for the list, or the memory map lists more than was kept.
fn reserved() -> Option<Vec<AddressRange>> {
    let listed = pci_tables::listed_memory()?.iter().map(|range| (range.start, range.len_bytes()));
    let config = pci_tables::mcfg_ranges().iter().map(|range| (range.memory.start, range.memory.len_bytes()));
    let frame = |address: &PhysAddr| (PhysAddr(address.0 & !(FRAME_SIZE - 1)), FRAME_SIZE);
    let (io_apics, hpet) = (interrupt_tables::io_apics(), clock_tables::get().hpet);
    let devices = io_apics.iter().map(|entry| &entry.address).chain(&hpet).map(frame);
    let all = listed.chain(config).chain(devices);
    let mut reserved = Vec::new();
    reserved.try_reserve(all.clone().count() + 1).ok()?;
    reserved.push(CHIPSET);
    reserved.extend(all.filter_map(|(start, bytes)| AddressRange::of_size(start.0, bytes)));
    Some(reserved)
}

fn storage(count: usize) -> Option<Vec<Taken>> {
    let mut storage = Vec::new();
    storage.try_reserve_exact(count).ok()?;
    storage.resize(count, Taken::EMPTY);
    Some(storage)
}
