//! Tests of bridges and root buses: what is behind them, and bus numbers that cannot be.
use super::*;
use crate::Header;
use proptest::prelude::*;

const OVERLAP: &str = "pci.bridge.overlap";
const BUSES: &str = "pci.bridge.buses";

/// Returns a port of PCI Express that leads to these buses.
fn root_port(secondary: u8, subordinate: u8) -> Registers {
    Registers::bridge(secondary, subordinate).with_capabilities(&[(0x40, 0x0042_0010)])
}

fn addresses(found: &[Function]) -> Vec<(PciAddress, Option<PciAddress>)> {
    found.iter().map(|function| (function.address, function.parent)).collect()
}

#[test]
fn functions_behind_three_levels_of_bridges_are_found_with_their_bridges() {
    let model = model([
        (at(0, 0, 0), Registers::new(0x8086, 0x29c0, 0x06_00_00)),
        (at(0, 4, 0), root_port(1, 4)),
        (at(1, 0, 0), Registers::bridge(2, 3)),
        (at(2, 7, 0), Registers::bridge(3, 3)),
        (at(3, 9, 0), device()),
    ]);
    let (found, reported) = scan_all(&model);
    assert_eq!(
        addresses(&found),
        [
            (at(0, 0, 0), None),
            (at(0, 4, 0), None),
            (at(1, 0, 0), Some(at(0, 4, 0))),
            (at(2, 7, 0), Some(at(1, 0, 0))),
            (at(3, 9, 0), Some(at(2, 7, 0))),
        ]
    );
    assert_eq!(found[1].header, Header::Bridge { secondary: 1, subordinate: 4 });
    assert_eq!(reported, []);
}

#[test]
fn other_functions_are_looked_for_only_where_function_0_says_so() {
    let model = model([
        (at(0, 1, 0), device()),
        (at(0, 1, 1), device()),
        (at(0, 2, 0), device().of_several()),
        (at(0, 2, 7), device()),
        (at(0, 3, 1), device()),
    ]);
    let found = scan_all(&model).0;
    assert_eq!(addresses(&found), [(at(0, 1, 0), None), (at(0, 2, 0), None), (at(0, 2, 7), None)]);
}

#[test]
fn behind_a_port_only_slot_0_is_used() {
    // The device answers in every slot.
    let everywhere = (0..32).map(|slot| (at(1, slot, 0), device()));
    let model = model([(at(0, 1, 0), root_port(1, 1))].into_iter().chain(everywhere));
    assert_eq!(scan_all(&model).0.len(), 2);
}

#[test]
fn other_roots_are_found_or_given() {
    let model = model([
        (at(0, 0, 0), device()),
        (at(0x80, 3, 0), root_port(0x81, 0x81)),
        (at(0x81, 0, 0), device()),
        (at(0x90, 0, 0), device()),
    ]);
    let all = [
        (at(0, 0, 0), None),
        (at(0x80, 3, 0), None),
        (at(0x81, 0, 0), Some(at(0x80, 3, 0))),
        (at(0x90, 0, 0), None),
    ];
    assert_eq!(addresses(&scan_all(&model).0), all);
    let mut roots = BusSet::EMPTY;
    roots.insert(0);
    roots.insert(0x80);
    let (found, reported) = scan_with(&model, BusSet::ALL, roots);
    assert_eq!((addresses(&found), reported), (all.to_vec(), Vec::new()));
}

#[test]
fn a_bridge_whose_buses_are_not_behind_it_is_not_followed() {
    // To itself, to a bus below, to no bus, without numbers.
    for (secondary, subordinate) in [(5, 5), (5, 9), (0, 9), (7, 6), (0, 0)] {
        let model = model([
            (at(0, 0, 0), Registers::bridge(5, 9)),
            (at(5, 0, 0), Registers::bridge(secondary, subordinate)),
        ]);
        let (found, reported) = scan_all(&model);
        assert_eq!(found.len(), 2);
        assert_eq!(reported, [(at(5, 0, 0), 0x18, BUSES)], "{secondary} {subordinate}");
    }
}

#[test]
fn a_bridge_that_claims_buses_of_another_is_not_followed() {
    // One range, a part, more than the bridge above has.
    for (secondary, subordinate) in [(2, 3), (3, 3), (4, 6), (4, 0xff)] {
        let model = model([
            (at(0, 0, 0), Registers::bridge(1, 5)),
            (at(1, 0, 0), Registers::bridge(2, 3)),
            (at(1, 1, 0), Registers::bridge(secondary, subordinate)),
            (at(2, 0, 0), device()),
        ]);
        let (found, reported) = scan_all(&model);
        assert_eq!(addresses(&found).last(), Some(&(at(2, 0, 0), Some(at(1, 0, 0)))));
        assert_eq!(reported, [(at(1, 1, 0), 0x18, OVERLAP)], "{secondary} {subordinate}");
    }
}

#[test]
fn a_bridge_does_not_lead_to_a_known_root() {
    let model = model([(at(0, 0, 0), Registers::bridge(1, 0x80)), (at(0x80, 0, 0), device())]);
    let mut roots = BusSet::EMPTY;
    roots.insert(0);
    roots.insert(0x80);
    let (found, reported) = scan_with(&model, BusSet::ALL, roots);
    assert_eq!(addresses(&found), [(at(0, 0, 0), None), (at(0x80, 0, 0), None)]);
    assert_eq!(reported, [(at(0, 0, 0), 0x18, OVERLAP)]);
}

#[test]
fn buses_that_cannot_be_reached_are_reported_and_the_others_are_visited() {
    let model =
        model([(at(0, 0, 0), Registers::bridge(1, 9)), (at(1, 0, 0), device()), (at(9, 0, 0), device())]);
    let mut reachable = BusSet::EMPTY;
    reachable.insert_all(0..=7);
    let (found, reported) = scan_with(&model, reachable, BusSet::EMPTY);
    assert_eq!(found.len(), 2);
    assert_eq!(reported, [(at(0, 0, 0), 0x18, "pci.bridge.reach")]);
}

#[test]
fn what_is_not_ready_or_of_an_unknown_kind_is_reported() {
    let odd =
        device().with(0x0c, 0x7e << 16, 0).with(0x10, 0, 0xffff_f000).with_capabilities(&[(0x40, 0x40)]);
    let model = model([
        (at(0, 0, 0), Registers::new(0x0001, 0xffff, 0)),
        (at(0, 1, 0), odd),
        (at(0, 2, 0), device().with(0x3c, 5 << 8, 0)),
    ]);
    let (found, reported) = scan_all(&model);
    assert_eq!(addresses(&found), [(at(0, 1, 0), None), (at(0, 2, 0), None)]);
    assert_eq!((found[0].header, found[0].bars, found[1].pin), (Header::Unknown, [None; 6], 0));
    assert_eq!(
        reported,
        [
            (at(0, 0, 0), 0, "pci.not-ready"),
            (at(0, 1, 0), 0x0c, "pci.header"),
            (at(0, 2, 0), 0x3c, "pci.pin"),
        ]
    );
}

/// Adds a bus with some devices, and the buses behind its bridges. Returns the last bus.
fn build(model: &mut Model, bus: u8, shape: &mut impl Iterator<Item = u8>, depth: u8) -> u8 {
    let mut last = bus;
    for slot in 0..shape.next().unwrap_or(0) % 4 {
        let is_bridge = shape.next().is_some_and(|byte| byte % 2 == 0) && depth < 5 && last < 250;
        if is_bridge {
            let first = last + 1;
            last = build(model, first, shape, depth + 1);
            model.insert(at(bus, slot, 0), Registers::bridge(first, last));
        } else {
            model.insert(at(bus, slot, 0), device());
        }
    }
    last
}

proptest! {
    #[test]
    fn every_function_of_a_sound_machine_is_found_once(shape in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut model = Model::default();
        let mut shape = shape.into_iter();
        let last = build(&mut model, 0, &mut shape, 0);
        if last < 200 {
            build(&mut model, last + 3, &mut shape, 0);
        }
        let before: Vec<_> = model.functions().collect();
        let (found, reported) = scan_all(&model);
        prop_assert_eq!(reported, []);
        prop_assert!(found.iter().map(|function| function.address).eq(before.iter().map(|(address, _)| *address)));
        for function in &found {
            let behind = found.iter().find(|bridge| bridge.header == Header::Bridge {
                secondary: function.address.bus(),
                subordinate: match bridge.header { Header::Bridge { subordinate, .. } => subordinate, _ => 0 },
            });
            prop_assert_eq!(function.parent, behind.map(|bridge| bridge.address));
        }
        prop_assert!(model.functions().eq(before), "every register is restored");
    }
}
