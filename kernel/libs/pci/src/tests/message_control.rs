//! Tests of turning messages on and off.
use super::*;
use crate::model::Model;
use crate::{ConfigSpace, Msi, MsiX, MsiXState, Place};

fn here() -> PciAddress {
    at(0, 3, 0)
}

/// Returns a function with MSI at 0x50 whose registers all may be written, and the capability.
fn with_msi(is_64_bit: bool, has_masks: bool) -> (Model, Msi) {
    let control = u32::from(is_64_bit) << 7 | u32::from(has_masks) << 8;
    let writable = (0x54..0x6c).step_by(4).fold(device(), |device, offset| device.with(offset, 0, u32::MAX));
    let mut model = Model::default();
    // Firmware has asked for 4 messages.
    model.insert(here(), writable.with(0x50, (control | 2 << 4) << 16 | 5, 0x71 << 16));
    (model, Msi { offset: 0x50, vectors: 8, is_64_bit, has_masks })
}

fn registers(model: &Model) -> Vec<u32> {
    (0x50..0x6c).step_by(4).map(|offset| model.read(here(), offset)).collect()
}

#[test]
fn msi_sends_one_message_whatever_firmware_asked_for() {
    for (is_64_bit, has_masks) in [(false, false), (true, false), (false, true), (true, true)] {
        let (model, msi) = with_msi(is_64_bit, has_masks);
        let flags = (u32::from(is_64_bit) << 7 | u32::from(has_masks) << 8) << 16 | 5;
        model.write(here(), 0x58, 0xffff);
        msi.set_address(&model, here(), 0xfee0_3000);
        msi.set_data(&model, here(), 0x41);
        assert!(msi.set_on(&model, here(), true));
        let expected = match is_64_bit {
            true => [flags | 1 << 16, 0xfee0_3000, 0, 0x41, 0, 0, 0],
            false => [flags | 1 << 16, 0xfee0_3000, 0x41, 0, 0, 0, 0],
        };
        assert_eq!(registers(&model), expected);
        assert!(msi.set_on(&model, here(), false));
        assert_eq!(model.read(here(), 0x50), flags);
    }
}

#[test]
fn msi_masks_only_its_first_message_if_it_has_masks() {
    for (is_64_bit, place) in [(false, 0x5c), (true, 0x60)] {
        let (model, msi) = with_msi(is_64_bit, true);
        model.write(here(), place, 0xf0);
        assert!(msi.set_masked(&model, here(), true));
        assert_eq!(model.read(here(), place), 0xf1);
        assert!(msi.set_masked(&model, here(), false));
        assert_eq!(model.read(here(), place), 0xf0);
    }
    let (model, msi) = with_msi(true, false);
    let before = registers(&model);
    assert!(!msi.set_masked(&model, here(), true));
    assert_eq!(registers(&model), before);
}

#[test]
fn a_move_to_another_cpu_changes_one_register() {
    let (model, msi) = with_msi(true, false);
    msi.set_address(&model, here(), 0xfee0_1000);
    let before = model.accesses();
    msi.set_address(&model, here(), 0xfee0_2000);
    assert_eq!(model.accesses() - before, 2, "a look at the upper half, and one write");
}

#[test]
fn msi_x_is_off_masked_or_on() {
    let place = Place { bar: 0, offset: 0 };
    let msi_x = MsiX { offset: 0x70, vectors: 4, table: place, pending: place };
    let mut model = Model::default();
    model.insert(here(), device().with(0x70, 3 << 16 | 0x11, 0xc000_0000));
    for (state, bits) in [(MsiXState::Masked, 0xc000), (MsiXState::On, 0x8000), (MsiXState::Off, 0)] {
        assert!(msi_x.set_state(&model, here(), state));
        assert_eq!(model.read(here(), 0x70), (bits | 3) << 16 | 0x11);
    }
}

#[test]
fn a_function_that_is_gone_or_does_not_listen_is_no_success() {
    let place = Place { bar: 0, offset: 0 };
    let msi_x = MsiX { offset: 0x70, vectors: 4, table: place, pending: place };
    let (mut model, msi) = with_msi(true, true);
    let gone = PciAddress::new(0, 0, 4, 0);
    assert!(!msi.set_on(&model, gone, true) && !msi.set_masked(&model, gone, true));
    assert!(!msi_x.set_state(&model, gone, MsiXState::On));
    model.insert(here(), device().with(0x50, 5, 0).with(0x70, 0x11, 0));
    assert!(!msi.set_on(&model, here(), true) && !msi.set_masked(&model, here(), true));
    assert!(!msi_x.set_state(&model, here(), MsiXState::On));
}
