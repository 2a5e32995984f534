//! Tests of the reader: devices and scopes, values, host bridges, what cannot be read, and properties.
mod bridges;
mod bytes;
mod generated;
mod routing;
mod scopes;
mod soft_off;
mod unreadable;
mod values;
mod windows;

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use acpi_tables::{Finding, Signature};

use crate::builder::{self, name};
use crate::{Answer, Device, Devices, ObjectName, Value, read_devices};

/// Builds a DSDT of revision 2.
fn dsdt(terms: &[Vec<u8>]) -> Vec<u8> {
    builder::table(Signature::DSDT, 2, terms)
}

/// Builds an SSDT.
fn ssdt(terms: &[Vec<u8>]) -> Vec<u8> {
    builder::table(Signature::SSDT, 2, terms)
}

/// Returns `Name (_PXM, domain)`.
fn pxm(domain: u64) -> Vec<u8> {
    name("_PXM", &builder::integer(domain))
}

/// Reads all devices of these tables, and passes them and the findings to `check`, as `rule action` each.
fn with_devices(tables: &[Vec<u8>], check: impl FnOnce(&Devices<'_, '_>, &[String])) {
    let mut storage = vec![Device::EMPTY; 64];
    let mut reported = Vec::new();
    let mut report = |finding: Finding| reported.push(short(&finding));
    let devices = read_devices(tables.iter().map(Vec::as_slice), &mut storage, &mut report);
    check(&devices, &reported);
}

fn short(finding: &Finding) -> String {
    alloc::format!("{} {}", finding.rule.id(), finding.action.as_str())
}

/// Returns the paths of all devices.
fn paths(devices: &Devices<'_, '_>) -> Vec<String> {
    devices.iter().map(|device| device.path.to_string()).collect()
}

/// Returns the device at the path that displays like this.
fn at<'s, 'a>(devices: &Devices<'s, 'a>, path: &str) -> &'s Device<'a> {
    devices.iter().find(|device| device.path.to_string() == path).expect("the device is there")
}

/// Returns an integer of the device at a path.
fn integer(devices: &Devices<'_, '_>, path: &str, name: ObjectName) -> Answer<u64> {
    at(devices, path).value(name).and_then(|value: Value<'_>| value.integer())
}
