//! Tests of the lists of capabilities.
use super::*;
use crate::{Capability, ExtendedCapability, PortType};

const STANDARD: &str = "pci.capabilities";
const EXTENDED: &str = "pci.capabilities.extended";

/// Returns the register of an extended capability.
const fn extended(id: u32, next: u32) -> u32 {
    next << 20 | 1 << 16 | id
}

fn express() -> Registers {
    device().with_capabilities(&[(0x80, 0x0002_0010)])
}

fn walk(registers: Registers) -> (Vec<Capability>, Vec<ExtendedCapability>) {
    let model = model([(at(0, 3, 0), registers)]);
    let function = scan_all(&model).0[0];
    let standard = function.capabilities(&model).into_iter().flatten().filter_map(Result::ok).collect();
    let extended =
        function.extended_capabilities(&model).into_iter().flatten().filter_map(Result::ok).collect();
    (standard, extended)
}

#[test]
fn both_lists_are_walked_in_their_order() {
    let registers = device()
        .with_capabilities(&[
            (0x80, 0x0042_0010),
            (0x40, 0x1234_0009),
            (0x60, 0x0000_0000),
            (0xfc, 0x0000_0001),
        ])
        .with(0x100, extended(0x0001, 0x200), 0)
        .with(0x200, extended(0, 0xffc), 0)
        .with(0xffc, extended(0x000b, 0), 0);
    let (standard, extended) = walk(registers);
    assert_eq!(
        standard.iter().map(|capability| (capability.id, capability.offset)).collect::<Vec<_>>(),
        [(0x10, 0x80), (0x09, 0x40), (0x01, 0xfc),]
    );
    assert_eq!(standard[1].register >> 16, 0x1234);
    assert_eq!(
        extended,
        [
            ExtendedCapability { id: 1, version: 1, offset: 0x100 },
            ExtendedCapability { id: 11, version: 1, offset: 0xffc },
        ]
    );
}

#[test]
fn a_pointer_without_a_list_is_not_followed() {
    let (function, reported) = scan_one(device().with(0x34, 0x40, 0).with(0x40, 0x0000_0010, 0));
    assert_eq!((function.express, reported), (None, Vec::new()));
}

#[test]
fn reserved_bits_of_pointers_are_ignored() {
    let registers = device().with_capabilities(&[(0x40, 0x0000_0009)]).with(0x34, 0x43, 0);
    assert_eq!(walk(registers).0.len(), 1);
}

#[test]
fn a_list_that_loops_or_leaves_its_place_ends() {
    let one = || device().with_capabilities(&[(0x40, 0x09), (0x48, 0x09)]);
    let bad = [
        (one().with(0x48, 0x4009, 0), 0x40),
        (one().with(0x48, 0x4809, 0), 0x48),
        (one().with(0x48, 0x3c09, 0), 0x3c),
        (one().with(0x48, 0x0409, 0), 0x04),
        (one().with(0x48, u32::MAX, 0), 0x48),
    ];
    for (registers, place) in bad {
        assert_eq!(scan_one(registers).1, [(at(0, 3, 0), place, STANDARD)]);
    }
}

#[test]
fn an_extended_list_that_loops_or_leaves_its_place_ends() {
    let bad = [(0x100, 0x100), (0x200, 0x200), (0x0fc, 0x0fc), (0x004, 0x004)];
    for (next, place) in bad {
        let registers = express().with(0x100, extended(1, 0x200), 0).with(0x200, extended(2, next), 0);
        assert_eq!(scan_one(registers).1, [(at(0, 3, 0), place, EXTENDED)], "{next:#x}");
    }
    let gone = express().with(0x100, extended(1, 0x200), 0).with(0x200, u32::MAX, 0);
    assert_eq!(scan_one(gone).1, [(at(0, 3, 0), 0x200, EXTENDED)]);
    // A device without extended registers.
    assert_eq!(scan_one(express().with(0x100, u32::MAX, 0)).1, []);
}

#[test]
fn only_express_functions_have_extended_capabilities_and_only_where_they_can_be_reached() {
    let conventional = device().with(0x100, extended(1, 0x0fc), 0);
    assert_eq!(scan_one(conventional).1, []);
    let mut short = model([(at(0, 3, 0), express().with(0x100, extended(1, 0x0fc), 0))]);
    short.is_short = true;
    assert_eq!(scan_all(&short).1, []);
}

#[test]
fn ports_lead_to_one_slot() {
    for (kind, port) in
        [(0, PortType::Other), (4, PortType::Downstream), (5, PortType::Other), (6, PortType::Downstream)]
    {
        let registers = device().with_capabilities(&[(0x40, kind << 20 | 0x10)]);
        assert_eq!(scan_one(registers).0.express.map(|express| express.port), Some(port));
    }
}
