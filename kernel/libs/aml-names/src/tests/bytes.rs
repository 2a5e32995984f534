//! Properties that hold for arbitrary bytes.
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use acpi_tables::{Finding, Signature};
use proptest::prelude::*;

use crate::builder::table;
use crate::{Device, Devices, Element, ObjectName, Value, read_devices, read_host_bridges};

/// Reads everything that the crate can read of these tables, and checks that the work is bounded.
fn read_all(tables: &[Vec<u8>]) {
    let length: usize = tables.iter().map(Vec::len).sum();
    let blocks = tables.len() as u64;
    for room in [0, 3, 40] {
        for all in [true, false] {
            let mut count = 0;
            let mut report = |finding: Finding| {
                count += 1;
                assert!(count <= 4 * length + 8, "findings without an end");
                let text = finding.to_string();
                assert!(text.len() < 160 && !text.contains('\n'), "{text}");
                assert!(finding.offset as usize <= length, "{text}");
            };
            let mut storage = vec![Device::EMPTY; room];
            let tables = tables.iter().map(Vec::as_slice);
            let devices = if all {
                read_devices(tables, &mut storage, &mut report)
            } else {
                read_host_bridges(tables, &mut storage, &mut report)
            };
            assert!(devices.steps() <= 6 * length as u64 + 3 * blocks);
            look_at(&devices);
        }
    }
}

/// Asks all questions.
fn look_at(devices: &Devices<'_, '_>) {
    for device in devices.iter() {
        for value in
            ObjectName::ALL.map(|name| device.value(name)).into_iter().filter_map(crate::Answer::constant)
        {
            look_into(value);
        }
        let _ = (device.path.to_string(), devices.domain(device), device.pci_address());
    }
    for bridge in devices.host_bridges() {
        let _ = devices.domain_of(bridge, &[(1, 0), (0, 0)]);
        for below in devices.devices_with_domain(bridge) {
            assert!(devices.route(bridge, below).count() < crate::MAX_SEGMENTS);
        }
    }
}

fn look_into(value: Value<'_>) {
    let Value::Package(package) = value else { return };
    for element in package.elements() {
        match element {
            Element::Value(Value::Package(inner)) => drop(inner.elements().count()),
            Element::Value(_) => {}
            Element::Name(name) => drop(name.to_string()),
        }
    }
}

/// Bytes that are likely to form terms.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        3 => prop::sample::select(vec![
            &b"\x5b\x82"[..], b"\x10", b"\x14", b"\x08", b"\xa0", b"\xa1", b"\x12", b"\x11", b"\x5b\x83", b"\x5b\x85",
            b"\x06", b"\x5b\x80", b"\x5b\x23", b"\x0d", b"\0", b"\x01", b"\xff", b"\x0a", b"\x0c", b"\\", b"^", b"/\x03", b".",
        ]).prop_map(<[u8]>::to_vec),
        3 => prop::sample::select(vec![&b"_HID"[..], b"_CID", b"_PXM", b"_ADR", b"_PRT", b"_SB_", b"AAAA", b"PCI0"])
            .prop_map(<[u8]>::to_vec),
        1 => Just(b"\x0c\x41\xd0\x0a\x08".to_vec()),
        2 => any::<u8>().prop_map(|byte| vec![byte]),
        1 => any::<[u8; 2]>().prop_map(|bytes| bytes.to_vec()),
    ];
    prop::collection::vec(token, 0..120).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_in_bounded_steps(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&[table(Signature::DSDT, 2, &[bytes.clone()])]);
        read_all(&[[b"DSDT", &bytes[..]].concat(), [b"SSDT", &bytes[..]].concat()]);
    }

    #[test]
    fn bytes_like_terms_are_read_in_bounded_steps(first in likely(), second in likely()) {
        read_all(&[table(Signature::DSDT, 1, &[first]), table(Signature::SSDT, 2, &[second])]);
    }
}
