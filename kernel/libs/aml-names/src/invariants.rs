//! Conditions that hold for whatever bytes the crate reads, for tests and fuzzers.
use alloc::string::{String, ToString};

use acpi_tables::Finding;

use crate::{
    Answer, Device, Devices, Element, MAX_SEGMENTS, ObjectName, Routes, Value, Windows, read_devices,
    read_host_bridges,
};

/// The number of devices that there is room for.
const ROOM: usize = 16;

/// Reads everything that the crate can read of these tables. Returns the number of findings.
///
/// Checks the texts of findings only if `with_text` is true.
///
/// # Panics
/// Panics if reading takes more steps than there are bytes for, or if a finding is wrong.
#[must_use]
pub fn read_all(tables: &[impl AsRef<[u8]>], with_text: bool) -> usize {
    let length: usize = tables.iter().map(|table| table.as_ref().len()).sum();
    let mut storage = [Device::EMPTY; ROOM];
    let mut count = 0;
    let ways = [(ROOM, true), (ROOM, false), (1, true), (2, false)];
    // One way is enough where only a panic counts, and there are millions of tables.
    let some = if with_text { &ways[..] } else { ways.get(length % ways.len()..).unwrap_or_default() };
    for &(room, all) in some.iter().take(if with_text { ways.len() } else { 1 }) {
        let before = count;
        let mut report = |finding: Finding| {
            count += 1;
            // Checked for each finding, to notice a reader that reports findings in an endless loop.
            assert!(count - before <= 2 * length + 8, "findings without an end");
            assert!(finding.offset as usize <= length, "{finding} lies outside the table");
            let text = if with_text { finding.to_string() } else { String::new() };
            assert!(text.len() < 160 && !text.contains('\n'), "{text}");
        };
        let storage = storage.get_mut(..room).unwrap_or_default();
        let blocks = tables.iter().map(AsRef::as_ref);
        let devices = if all {
            read_devices(blocks, storage, &mut report)
        } else {
            read_host_bridges(blocks, storage, &mut report)
        };
        assert!(devices.steps() <= 6 * length as u64 + 3 * tables.len() as u64);
        look_at(&devices);
    }
    count
}

/// Asks all questions.
fn look_at(devices: &Devices<'_, '_>) {
    for device in devices.iter() {
        for value in ObjectName::ALL.map(|name| device.value(name)).into_iter().filter_map(Answer::constant) {
            look_into(value);
        }
        let _ = (devices.domain(device), device.pci_address());
    }
    for bridge in devices.host_bridges() {
        let _ = devices.domain_of(bridge, &[(1, 0), (0, 0)]);
        for below in devices.devices_with_domain(bridge) {
            assert!(devices.route(bridge, below).count() < MAX_SEGMENTS);
        }
        for below in devices.devices_with_routing(bridge) {
            assert!(devices.route(bridge, below).count() < MAX_SEGMENTS);
        }
    }
}

fn look_into(value: Value<'_>) {
    if let Value::Buffer(buffer) = value {
        let count = Windows::new(&buffer).inspect(|window| assert!(window.first <= window.last)).count();
        assert!(count <= buffer.bytes.len() / 3);
    }
    let Value::Package(package) = value else { return };
    assert!(Routes::new(&package).all(|route| route.is_none_or(|route| route.device < 32 && route.pin < 4)));
    for element in package.elements() {
        match element {
            Element::Value(Value::Package(inner)) => drop(inner.elements().count()),
            Element::Value(_) => {}
            Element::Name(name) => drop(name.last()),
        }
    }
}
