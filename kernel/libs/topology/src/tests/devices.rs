//! Tests of the list of generic initiators and ports.
use acpi_tables::Action::{Dropped, Refused, Repaired};
use acpi_tables::DeviceHandle;
use acpi_tables::builder::{TableBuilder, generic_initiator, generic_port};
use std::vec::Vec;
use units::ProximityDomain;

use super::machine::*;
use crate::{Device, DeviceKind, MAX_DEVICES};

fn handle(bus: u8) -> DeviceHandle {
    DeviceHandle::Pci { segment: 0, bus, device: 0, function: 0 }
}

#[test]
fn devices_are_listed_in_any_order_of_the_entries() {
    let mut disabled = generic_port(handle(9), ProximityDomain(1));
    disabled.flags = 0.into();
    let mut unknown = generic_initiator(handle(8), ProximityDomain(2));
    unknown.device_handle_type = 7;
    let mut entries = [
        generic_port(handle(1), ProximityDomain(3)),
        generic_initiator(handle(2), ProximityDomain(6)),
        generic_initiator(handle(3), ProximityDomain(5)),
        generic_initiator(handle(3), ProximityDomain(5)),
        unknown,
        disabled,
    ];
    let device = |kind, domain, handle| Device { kind, domain: ProximityDomain(domain), handle };
    let expected = [
        device(DeviceKind::Initiator, 2, None),
        device(DeviceKind::Initiator, 5, Some(handle(3))),
        device(DeviceKind::Initiator, 6, Some(handle(2))),
        device(DeviceKind::Port, 3, Some(handle(1))),
    ];
    for _ in 0..2 {
        let srat = TableBuilder::srat(3).entry(&memory(0, MIB, 0)).entries(entries);
        let (topology, reported) = Machine::of(srat, cpus([])).build();
        assert_eq!(topology.devices(), expected);
        let rules: Vec<_> = reported.iter().map(|reported| (reported.1, reported.2)).collect();
        assert_eq!(rules, [("srat.device.handle", Repaired)]);
        entries.reverse();
    }
    let (topology, reported) = Machine::of(TableBuilder::srat(3).entries(entries), cpus([])).build();
    assert_eq!((topology.devices(), reported[1]), (&[][..], (0, "srat.empty", Refused)));
}

#[test]
fn of_too_many_devices_the_lowest_are_listed() {
    let count = MAX_DEVICES as u32 + 3;
    let devices = (0..count).rev().map(|n| generic_port(handle(0), ProximityDomain(n)));
    let srat = TableBuilder::srat(3).entries(devices).entry(&memory(0, MIB, 0));
    let (topology, reported) = Machine::of(srat, cpus([])).build();
    let domains: Vec<_> = topology.devices().iter().map(|device| device.domain.0).collect();
    assert_eq!(domains, (0..MAX_DEVICES as u32).collect::<Vec<_>>());
    let full = [48 + 64 * 32, 48 + 65 * 32, 48 + 66 * 32].map(|offset| (offset, "devices.full", Dropped));
    assert_eq!(reported, full);
}
