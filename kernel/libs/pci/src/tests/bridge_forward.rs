//! What a bridge passes on after the kernel has asked for it.
use super::*;
use crate::bridge_windows::BridgeWindows;
use crate::{AddressRange, ConfigSpace, command, forward};

/// Returns a bridge that decodes nothing, with these windows of ports, memory and prefetchable memory, which can be written.
fn bridge(ports: u32, memory: u32, prefetchable: u32) -> Registers {
    Registers::bridge(1, 1)
        .with(0x04, 0x0010_0000, 0x0000_0407)
        .with(0x1c, ports | 0xffff_0000, 0xffff_f0f0)
        .with(0x20, memory, 0xfff0_fff0)
        .with(0x24, prefetchable, 0xfff0_fff0)
        .with(0x28, 0, u32::MAX)
        .with(0x2c, 0, u32::MAX)
}

#[test]
fn a_bridge_passes_on_what_was_asked_for_and_keeps_what_it_did() {
    let model = model([(at(0, 1, 0), bridge(0x6050, 0xfe10_fe00, 0xd000_c000))]);
    let before = BridgeWindows::read(&model, at(0, 1, 0));
    assert!(forward(&model, at(0, 1, 0), command::MEMORY | command::BUS_MASTER));
    assert_eq!(model.read(at(0, 1, 0), 4), 0x0010_0006);
    assert!(forward(&model, at(0, 1, 0), command::IO));
    assert_eq!(model.read(at(0, 1, 0), 4), 0x0010_0007);
    assert!(forward(&model, at(0, 1, 0), 0));
    assert_eq!(model.read(at(0, 1, 0), 4), 0x0010_0007);
    assert_eq!(BridgeWindows::read(&model, at(0, 1, 0)), before);
    assert_eq!(before.memory, Some(AddressRange { first: 0xfe00_0000, last: 0xfe1f_ffff }));
}

#[test]
fn a_window_that_firmware_has_left_at_0_is_closed_before_the_bridge_decodes_it() {
    // As the lib reads them, all are closed. The bridge would pass on addresses from 0 on.
    let model = model([(at(0, 1, 0), bridge(0, 0, 0))]);
    assert!(forward(&model, at(0, 1, 0), command::BUS_MASTER));
    let windows = |model: &Model| [0x1c, 0x20, 0x24].map(|offset| model.read(at(0, 1, 0), offset));
    assert_eq!(windows(&model), [0xffff_0000, 0, 0], "nothing is decoded yet");
    assert!(forward(&model, at(0, 1, 0), command::MEMORY));
    assert_eq!(windows(&model), [0xffff_0000, 0xfff0, 0xfff0]);
    assert!(forward(&model, at(0, 1, 0), command::IO));
    assert_eq!(windows(&model)[0] & 0xffff, 0x00f0);
}

#[test]
fn a_bridge_that_is_gone_is_not_written() {
    let model = model([]);
    assert!(!forward(&model, at(0, 1, 0), command::MEMORY));
    assert_eq!(model.accesses(), 1);
}
