//! Tests of the questions about host bridges.
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use acpi_tables::Finding;
use units::ProximityDomain;

use super::{at, dsdt, pxm, short, ssdt};
use crate::builder::{device, eisa_id, integer, method, name, package, scope, string};
use crate::{Answer, Device, Devices, PciAddress, read_host_bridges};

fn with_bridges(tables: &[Vec<u8>], room: usize, check: impl FnOnce(&Devices<'_, '_>, &[String])) {
    let mut storage = vec![Device::EMPTY; room];
    let mut reported = Vec::new();
    let mut report = |finding: Finding| reported.push(short(&finding));
    let devices = read_host_bridges(tables.iter().map(Vec::as_slice), &mut storage, &mut report);
    check(&devices, &reported);
}

fn bridges(devices: &Devices<'_, '_>) -> Vec<String> {
    devices.host_bridges().map(|device| device.path.to_string()).collect()
}

fn hid(id: &str) -> Vec<u8> {
    name("_HID", &eisa_id(id))
}

fn adr(device: u64, function: u64) -> Vec<u8> {
    name("_ADR", &integer(device << 16 | function))
}

#[test]
fn a_host_bridge_has_one_of_two_ids() {
    let tables = [dsdt(&[scope(
        "\\_SB",
        &[
            device("PCI0", &[hid("PNP0A03")]),
            device("PCI1", &[hid("PNP0A08")]),
            device("PCI2", &[name("_HID", &string("PNP0A08"))]),
            device(
                "CXL0",
                &[
                    name("_HID", &string("ACPI0016")),
                    name("_CID", &package(&[eisa_id("PNP0C02"), eisa_id("PNP0A08")])),
                ],
            ),
            device(
                "PCI3",
                &[
                    method("_HID", 0, &[vec![0xa3]]),
                    method("_CID", 0, &[crate::builder::returns(&eisa_id("PNP0A03"))]),
                ],
            ),
            device("PRES", &[hid("PNP0A06")]),
            device("LNKA", &[hid("PNP0C0F"), pxm(1)]),
        ],
    )])];
    with_bridges(&tables, 8, |devices, reported| {
        assert_eq!(bridges(devices), ["\\_SB.PCI0", "\\_SB.PCI1", "\\_SB.PCI2", "\\_SB.CXL0", "\\_SB.PCI3"]);
        assert_eq!(devices.iter().count(), 5, "nothing else takes room");
        assert!(reported.is_empty());
    });
}

#[test]
fn the_numbers_of_a_bridge_are_constants_or_not() {
    let tables = [
        dsdt(&[
            device("\\_SB.PC00", &[hid("PNP0A08"), name("_BBN", &integer(0x80)), name("_SEG", &integer(2))]),
            device("\\_SB.PC01", &[hid("PNP0A08"), method("_BBN", 0, &[vec![0xa3]]), method("_PXM", 0, &[])]),
        ]),
        ssdt(&[scope("\\_SB.PC00", &[pxm(3)])]),
    ];
    with_bridges(&tables, 8, |devices, reported| {
        let [first, second] = ["\\_SB.PC00", "\\_SB.PC01"].map(|path| at(devices, path));
        assert_eq!((first.segment(), first.first_bus()), (Answer::Constant(2), Answer::Constant(0x80)));
        assert_eq!(devices.domain(first), Answer::Constant(ProximityDomain(3)));
        assert_eq!((second.segment(), second.first_bus()), (Answer::Absent, Answer::Method));
        assert_eq!(devices.domain(second), Answer::Method);
        assert!(reported.is_empty());
    });
}

#[test]
fn a_bridge_takes_the_domain_of_the_device_above_it() {
    let tables = [
        ssdt(&[name("\\_SB.SCK1._PXM", &integer(1))]),
        dsdt(&[device("\\_SB.SCK1", &[device("PC01", &[hid("PNP0A08"), device("RP01", &[])])])]),
    ];
    with_bridges(&tables, 8, |devices, _| {
        let bridge = at(devices, "\\_SB.SCK1.PC01");
        assert_eq!(devices.domain(bridge), Answer::Constant(ProximityDomain(1)));
        assert_eq!(bridge.domain(), Answer::Absent);
        assert_eq!(bridges(devices), ["\\_SB.SCK1.PC01"]);
    });
}

#[test]
fn a_function_has_the_domain_of_the_nearest_device_on_its_way() {
    let slot = device("SLT0", &[adr(0, 0xffff), pxm(4)]);
    let port = device(
        "RP01",
        &[adr(1, 2), pxm(5), device("SWT0", &[adr(0, 0), slot]), device("OTHR", &[adr(3, 0)])],
    );
    let computed = device("RP02", &[adr(2, 0), method("_PXM", 0, &[])]);
    let lost = device("RP03", &[method("_ADR", 0, &[]), pxm(9)]);
    let tables = [dsdt(&[device("\\_SB.PC00", &[hid("PNP0A08"), pxm(1), port, computed, lost])])];
    with_bridges(&tables, 16, |devices, reported| {
        let bridge = at(devices, "\\_SB.PC00");
        let constant = |domain| Answer::Constant(ProximityDomain(domain));
        let cases: [(&[(u8, u8)], _); 9] = [
            (&[], constant(1)),
            (&[(1, 0)], constant(1)),
            (&[(1, 2)], constant(5)),
            (&[(1, 2), (3, 0)], constant(5)),
            (&[(1, 2), (0, 0)], constant(5)),
            (&[(1, 2), (0, 0), (0, 3)], constant(4)),
            (&[(1, 2), (0, 0), (0, 3), (0, 0)], constant(4)),
            (&[(2, 0)], Answer::Method),
            (&[(9, 0), (1, 2)], constant(1)),
        ];
        for (route, expected) in cases {
            assert_eq!(devices.domain_of(bridge, route), expected, "{route:?}");
        }
        let below: Vec<_> =
            devices.devices_with_domain(bridge).map(|device| device.path.to_string()).collect();
        assert_eq!(below.len(), 4, "{below:?}");
        let slot = at(devices, "\\_SB.PC00.RP01.SWT0.SLT0");
        let route: Vec<_> = devices.route(bridge, slot).collect();
        let address = |device, function| Some(PciAddress { device, function });
        assert_eq!(route, [address(1, Some(2)), address(0, Some(0)), address(0, None)]);
        let lost: Vec<_> = devices.route(bridge, at(devices, "\\_SB.PC00.RP03")).collect();
        assert_eq!(lost, [None]);
        assert!(reported.is_empty());
    });
}

#[test]
fn an_address_must_be_one_of_pci() {
    let address = |device, function| Some(PciAddress { device, function });
    assert_eq!(PciAddress::from_adr(0x001f_0007), address(31, Some(7)));
    assert_eq!(PciAddress::from_adr(0x0002_ffff), address(2, None));
    for wrong in [0x0020_0000, 8, 0x1_0000_0000, 0xfffe, u64::MAX] {
        assert_eq!(PciAddress::from_adr(wrong), None, "{wrong:#x}");
    }
}

#[test]
fn bridges_without_room_are_reported_once() {
    let names = ["PCI0", "PCI1", "PCI2", "PCI3"];
    let tables = [dsdt(&names.map(|name| device(name, &[hid("PNP0A08")])))];
    with_bridges(&tables, 2, |devices, reported| {
        assert_eq!(bridges(devices), ["\\PCI0", "\\PCI1"]);
        assert_eq!(*reported, ["aml.full dropped"]);
    });
    with_bridges(&tables, 0, |devices, _| assert_eq!(devices.iter().count(), 0));
}
