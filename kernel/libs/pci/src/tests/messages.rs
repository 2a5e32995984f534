//! Tests of MSI and MSI-X.
use super::*;
use crate::{Msi, MsiX, Place};

/// Returns a device with 4 KiB of memory at BAR 2, ports at BAR 1, and this MSI-X.
fn with_msi_x(control: u32, table: u32, pending: u32) -> Registers {
    device()
        .with(0x14, 0xc001, 0xffff_ffe0)
        .with(0x18, 0xfe00_0000, 0xffff_f000)
        .with_capabilities(&[(0x70, control << 16 | 0x11)])
        .with(0x74, table, 0)
        .with(0x78, pending, 0)
}

#[test]
fn msi_says_how_many_vectors_it_has() {
    let msi = |control: u32| scan_one(device().with_capabilities(&[(0x50, control << 16 | 0x05)]));
    let expected = |vectors, is_64_bit, has_masks| Some(Msi { offset: 0x50, vectors, is_64_bit, has_masks });
    assert_eq!(msi(0x0000).0.msi, expected(1, false, false));
    assert_eq!(msi(0x018a).0.msi, expected(32, true, true));
    for exponent in [6, 7] {
        let (function, reported) = msi(exponent << 1);
        assert_eq!((function.msi, reported), (None, Vec::from([(at(0, 3, 0), 0x50, "pci.msi")])));
    }
}

#[test]
fn msi_fits_into_the_first_256_bytes() {
    let at_place = |place: u8, control: u32| {
        scan_one(device().with_capabilities(&[(place, control << 16 | 0x05)])).0.msi.is_some()
    };
    assert!(at_place(0xf0, 0x80) && !at_place(0xf4, 0x80));
    assert!(at_place(0xe8, 0x180) && !at_place(0xec, 0x180));
}

#[test]
fn msi_x_says_where_its_table_is() {
    let (function, reported) = scan_one(with_msi_x(0x8003, 0x002, 0x802));
    let place = |offset| Place { bar: 2, offset };
    assert_eq!(reported, []);
    assert_eq!(
        function.msi_x,
        Some(MsiX { offset: 0x70, vectors: 4, table: place(0), pending: place(0x800) })
    );
}

#[test]
fn a_table_that_does_not_lie_in_memory_is_dropped() {
    let bad = [
        // Ports, no BAR, a BAR that does not exist.
        (3, 0x001, 0x802),
        (3, 0x000, 0x802),
        (3, 0x007, 0x802),
        // Past the end: the table, the pending bits.
        (0xff, 0x00a, 0x002),
        (3, 0x002, 0xfff_fffa),
        (3, 0xffff_fffa, 0x802),
        (3, 0x002, 0x1002),
    ];
    for (control, table, pending) in bad {
        let (function, reported) = scan_one(with_msi_x(control, table, pending));
        assert_eq!((function.msi_x, reported.len()), (None, 1), "{control:#x} {table:#x} {pending:#x}");
        assert_eq!(reported[0], (at(0, 3, 0), 0x70, "pci.msix"));
    }
    // The whole BAR, and its last bytes.
    assert!(scan_one(with_msi_x(0xff, 0x002, 0x002)).0.msi_x.is_some());
    assert!(scan_one(with_msi_x(0x3, 0xfc2, 0xffa)).0.msi_x.is_some());
}
