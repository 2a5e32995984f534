//! The object that says how the machine is switched off.
use alloc::vec::Vec;

use super::{dsdt, ssdt};
use crate::builder::{buffer, condition, device, integer, method, name, package, returns, scope};
use crate::{SoftOff, read_soft_off};

fn read(tables: &[Vec<u8>]) -> Option<(u8, u8)> {
    let found = read_soft_off(tables.iter().map(Vec::as_slice));
    found.map(|SoftOff { type_a, type_b }| (type_a, type_b))
}

/// Returns `Name (name, Package () {types})`.
fn soft_off(at: &str, types: &[u64]) -> Vec<u8> {
    name(at, &package(&types.iter().map(|number| integer(*number)).collect::<Vec<_>>()))
}

#[test]
fn the_sleep_types_are_read_wherever_the_root_is_named() {
    assert_eq!(read(&[dsdt(&[soft_off("_S5", &[5, 6, 0, 0])])]), Some((5, 6)));
    assert_eq!(read(&[dsdt(&[soft_off("\\_S5", &[0, 0])])]), Some((0, 0)));
    assert_eq!(read(&[dsdt(&[scope("\\", &[soft_off("_S5", &[7])])])]), Some((7, 0)));
    assert_eq!(read(&[dsdt(&[condition(&integer(1), &[soft_off("_S5", &[7, 7])])])]), Some((7, 7)));
    let other = dsdt(&[scope("\\_SB", &[device("DEV0", &[])]), soft_off("_S4", &[6])]);
    assert_eq!(read(&[other, ssdt(&[soft_off("_S5", &[5, 5])])]), Some((5, 5)));
}

#[test]
fn what_is_no_package_of_sleep_types_at_the_root_is_left_out() {
    for term in [
        soft_off("_S5", &[8, 0]),
        soft_off("_S5", &[5, 8]),
        soft_off("_S5", &[]),
        name("_S5", &integer(5)),
        name("_S5", &buffer(2, &[5, 5])),
        scope("\\_SB", &[soft_off("_S5", &[5, 5])]),
        device("DEV0", &[soft_off("_S5", &[5, 5])]),
        soft_off("\\_SB._S5", &[5, 5]),
        method("_S5", 0, &[returns(&package(&[integer(5)]))]),
    ] {
        assert_eq!(read(&[dsdt(&[term])]), None);
    }
    // The one before does not hide the right one.
    assert_eq!(read(&[dsdt(&[name("_S5", &integer(5)), soft_off("_S5", &[1, 1])])]), Some((1, 1)));
    assert_eq!(read(&[]), None);
}
