//! Tests of BARs: their kinds and sizes, and those that cannot be.
use super::*;
use crate::{Bar, BarKind};

const IO: u32 = 0b1;
const WIDE: u32 = 0b100;
const PREFETCHABLE: u32 = 0b1000;

fn bar(kind: BarKind, address: u64, size: u64) -> Option<Bar> {
    Some(Bar { kind, address, size })
}

#[test]
fn each_kind_is_sized_and_restored_while_nothing_is_decoded() {
    let registers = device()
        .with(0x10, 0xc001, 0xffff_ffe0)
        .with(0x14, 0xfebc_0000, 0xffff_0000)
        .with(0x18, WIDE | PREFETCHABLE, 0)
        .with(0x1c, 0x0000_0040, 0xffff_fff0)
        .with(0x20, 0xf000_0000 | PREFETCHABLE, 0xff00_0000)
        // The upper half of the ports is fixed.
        .with(0x24, 0x0000_d000 | IO, 0x0000_ff00);
    let (function, reported) = scan_one(registers);
    assert_eq!(reported, []);
    assert_eq!(
        function.bars,
        [
            bar(BarKind::Io, 0xc000, 32),
            bar(BarKind::Memory32 { prefetchable: false }, 0xfebc_0000, 0x1_0000),
            bar(BarKind::Memory64 { prefetchable: true }, 0x40_0000_0000, 0x10_0000_0000),
            None,
            bar(BarKind::Memory32 { prefetchable: true }, 0xf000_0000, 0x100_0000),
            bar(BarKind::Io, 0xd000, 256),
        ]
    );
}

#[test]
fn a_small_64_bit_bar_may_be_above_4_gib_or_nowhere() {
    let registers = device()
        .with(0x10, WIDE, 0xffff_c000)
        .with(0x14, 0x0000_0038, 0xffff_ffff)
        .with(0x18, WIDE, 0xffff_f000)
        // The function decodes 40 bits.
        .with(0x1c, 0, 0x0000_00ff);
    let (function, reported) = scan_one(registers);
    let kind = BarKind::Memory64 { prefetchable: false };
    assert_eq!(reported, []);
    assert_eq!(function.bars[..4], [bar(kind, 0x38_0000_0000, 0x4000), None, bar(kind, 0, 0x1000), None]);
}

#[test]
fn what_cannot_be_a_bar_is_dropped_and_its_neighbours_are_used() {
    let bad = [
        // The type below 1 MiB, and the reserved one.
        ((0b010, 0xffff_f000), "pci.bar.type"),
        ((0b110, 0xffff_f000), "pci.bar.type"),
        // No writable bit; bits with a gap; bits that end too low.
        ((0xfd00_0000, 0), "pci.bar.size"),
        ((0, 0xfff0_f000), "pci.bar.size"),
        ((0, 0x0fff_f000), "pci.bar.size"),
        ((IO, 0), "pci.bar.size"),
        // The type changes when it is written.
        ((0, 0xffff_ffff), "pci.bar.size"),
        // The address is no multiple of the size.
        ((0x0000_1000, 0xffff_0000), "pci.bar.size"),
    ];
    for ((value, writable), rule) in bad {
        let registers = device().with(0x10, value, writable).with(0x14, 0xfe00_0000, 0xffff_f000);
        let (function, reported) = scan_one(registers);
        assert_eq!(reported, [(at(0, 3, 0), 0x10, rule)], "{value:#x} {writable:#x}");
        assert_eq!(function.bars[0], None);
        assert_eq!(function.bars[1], bar(BarKind::Memory32 { prefetchable: false }, 0xfe00_0000, 0x1000));
    }
}

#[test]
fn a_64_bit_bar_in_the_last_place_is_dropped() {
    let (function, reported) = scan_one(device().with(0x24, WIDE, 0xffff_f000));
    assert_eq!((function.bars, reported), ([None; 6], Vec::from([(at(0, 3, 0), 0x24, "pci.bar.type")])));
    // A bridge has two BARs.
    let bridge = Registers::bridge(1, 1).with(0x14, WIDE, 0xffff_f000);
    assert_eq!(scan_one(bridge).1, [(at(0, 3, 0), 0x14, "pci.bar.type")]);
}

#[test]
fn a_bar_says_what_it_is() {
    let text = |kind, address| alloc::format!("{}", Bar { kind, address, size: 0x20 });
    assert_eq!(text(BarKind::Io, 0xc000), "0x20 ports at 0xc000");
    assert_eq!(
        text(BarKind::Memory32 { prefetchable: false }, 0),
        "0x20 bytes of 32-bit memory without an address"
    );
    assert_eq!(
        text(BarKind::Memory64 { prefetchable: true }, 1 << 32),
        "0x20 bytes of 64-bit memory, prefetchable, at 0x100000000"
    );
}

#[test]
fn the_bars_of_a_host_bridge_are_left_alone() {
    let registers = Registers::new(0x8086, 0x29c0, 0x06_00_00).with(0x10, 0, 0xffff_f000);
    assert_eq!(scan_one(registers).0.bars, [None; 6]);
}
