//! Which pin of a bridge the pin of a function behind it pulls.
use super::{at, device, scan_one};
use crate::{Function, Pin};

/// Returns a function with this pin, behind the bridge with this bus and slot.
fn pulling(bus: u8, slot: u8, bridge: Option<(u8, u8)>, pin: u8) -> Function {
    let (function, _) = scan_one(device());
    let parent = bridge.map(|(bus, slot)| at(bus, slot, 0));
    Function { address: at(bus, slot, 0), parent, pin, ..function }
}

/// Returns the slot and the pin on the root bus.
fn root_pin(function: Function, bridges: &[Function]) -> Option<(u8, u8)> {
    let find = |address| bridges.iter().copied().find(|bridge| bridge.address == address);
    let mut pin = Pin::of(&function)?;
    while let Some(bridge) = pin.bridge {
        pin = pin.joined_by(&find(bridge)?)?;
    }
    Some((pin.device.device(), pin.pin))
}

#[test]
fn a_pin_on_a_root_bus_is_its_own() {
    for pin in 1..=4 {
        assert_eq!(root_pin(pulling(0, 9, None, pin), &[]), Some((9, pin - 1)));
    }
    assert_eq!(root_pin(pulling(0, 9, None, 0), &[]), None);
    assert_eq!(root_pin(pulling(0, 9, None, 5), &[]), None);
}

#[test]
fn each_bridge_turns_the_pin_by_the_slot_of_the_device_behind_it() {
    let bridges = [pulling(0, 6, None, 1), pulling(1, 3, Some((0, 6)), 1)];
    assert_eq!(root_pin(pulling(1, 5, Some((0, 6)), 1), &bridges), Some((6, 1)));
    assert_eq!(root_pin(pulling(1, 0, Some((0, 6)), 4), &bridges), Some((6, 3)));
    // INTC of slot 2 is INTA of slot 3, and that is INTD of slot 6.
    assert_eq!(root_pin(pulling(2, 2, Some((1, 3)), 3), &bridges), Some((6, 3)));
}

#[test]
fn bridges_that_are_missing_or_lead_in_a_circle_give_no_pin() {
    assert_eq!(root_pin(pulling(1, 5, Some((0, 6)), 1), &[]), None);
    let circle = [pulling(1, 0, Some((1, 0)), 1)];
    assert_eq!(root_pin(pulling(2, 5, Some((1, 0)), 1), &circle), None);
}
