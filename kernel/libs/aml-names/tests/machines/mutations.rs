//! Tests that blocks with wrong bytes are read without a panic and in bounded steps.
use std::sync::LazyLock;

use aml_names::invariants::read_all;
use proptest::prelude::*;

use crate::qemu;
use crate::sources::{self, Machine};

/// All machines, and one that needs no tool and no other file.
static MACHINES: LazyLock<Vec<Machine>> = LazyLock::new(|| {
    let qemu = qemu::machines().iter().map(|machine| machine.blocks.clone());
    let others = sources::real().into_iter().chain(sources::compiled()).map(|machine| machine.blocks);
    let machine = |blocks| Machine { name: String::new(), blocks };
    let all: Vec<_> = qemu.chain(others).chain([built()]).map(machine).collect();
    println!("mutations: of {} machines", all.len());
    all
});

/// Returns blocks with two bridges and a device.
fn built() -> Vec<Vec<u8>> {
    use acpi_tables::Signature;
    use aml_names::builder::{device, eisa_id, integer, name, package, scope, table};
    let bridge = |path, domain: u64| {
        let route = package(&[integer(0xffff), integer(0), integer(0), integer(16)]);
        let port = device("RP01", &[name("_ADR", &integer(0x1_0000)), name("_PXM", &integer(domain + 1))]);
        device(path, &[name("_HID", &eisa_id("PNP0A08")), name("_PRT", &package(&[route])), port])
    };
    let dsdt = table(Signature::DSDT, 2, &[scope("\\_SB", &[bridge("PC00", 0), bridge("PC01", 1)])]);
    let ssdt = table(Signature::SSDT, 2, &[scope("\\_SB.PC01", &[name("_PXM", &integer(1))])]);
    vec![dsdt, ssdt]
}

/// Values at the bounds of lengths, and the opcodes of what the walk enters and skips.
const BYTES: [u8; 16] =
    [0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff, 0x08, 0x10, 0x12, 0x14, 0x5b, 0x82, 0xa0];

proptest! {
    #[test]
    fn blocks_with_wrong_bytes_are_read_in_bounded_steps(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&BYTES[..])), 1..6),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u32), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut blocks = which.get(&MACHINES).blocks.clone();
        for block in &mut blocks {
            // The signature stays, or no reader would read the block.
            let place = |index: prop::sample::Index| 4 + index.index(block.len() - 4);
            let changes: Vec<_> = changes.iter().map(|&(index, byte)| (place(index), byte)).collect();
            let flips: Vec<_> = flips.iter().map(|&(index, bit)| (place(index), bit)).collect();
            changes.into_iter().for_each(|(at, byte)| block[at] = byte);
            flips.into_iter().for_each(|(at, bit)| block[at] ^= 1 << bit);
            if let Some(cut) = cut {
                block.truncate(cut.index(block.len()));
            }
        }
        let _ = read_all(&blocks, true);
    }
}
