//! The BIOS image boots whatever the video firmware offers. The kernel uses none of it, and the boot loader asks for a mode.
mod common;

use boot::{Machine, Verdict};
use common::boot;

/// Boots a machine of this kind with this video card.
#[track_caller]
fn assert_boots(machine: &str, card: &[&str]) {
    let machine = Machine::without_numa(1, 128).arguments(["-machine", machine, "-vga", "none"]);
    let run = boot(&machine.arguments(card.iter().copied()), Verdict::Success);
    assert!(run.line("boot: complete").is_some(), "{}", run.serial);
}

#[test]
fn without_video_firmware() {
    assert_boots("q35", &[]);
}

#[test]
fn without_a_mode_that_has_a_linear_framebuffer() {
    assert_boots("pc", &["-device", "isa-cirrus-vga"]);
}

#[test]
fn with_a_card_that_is_no_pci_device() {
    assert_boots("pc", &["-device", "isa-vga"]);
}

#[test]
fn with_so_little_video_memory_that_the_largest_mode_has_16_bits_a_pixel() {
    assert_boots("q35", &["-device", "VGA,vgamem_mb=2"]);
}
