//! Tests of the windows of host bridges.
use alloc::vec;
use alloc::vec::Vec;

use crate::{Buffer, Window, WindowKind, Windows};

const END: [u8; 2] = [0x79, 0];

/// Returns an address space descriptor: its tag, kind and flags, then numbers of `size` bytes.
fn descriptor(tag: u8, size: usize, kind: u8, flags: u8, range: [u64; 4]) -> Vec<u8> {
    let mut content = vec![kind, flags, 0];
    for number in [[0].as_slice(), &range].concat() {
        content.extend(&number.to_le_bytes()[..size]);
    }
    let length = (content.len() as u16).to_le_bytes();
    [&[tag], &length[..], &content].concat()
}

fn windows(bytes: &[u8]) -> Vec<Window> {
    Windows::new(&Buffer { size: bytes.len() as u64, bytes }).collect()
}

#[test]
fn windows_have_numbers_of_three_sizes() {
    let bytes = [
        descriptor(0x88, 2, 2, 0xc, [0x81, 0xff, 0, 0x7f]),
        // The ports of the configuration space: the bridge uses them itself.
        vec![0x47, 1, 0xf8, 0xc, 0xf8, 0xc, 1, 8],
        descriptor(0x88, 2, 1, 0xc, [0xd00, 0xffff, 0, 0xf300]),
        descriptor(0x87, 4, 0, 0xc, [0x8000_0000, 0xfebf_ffff, 0, 0x7ec0_0000]),
        descriptor(0x8a, 8, 0, 0xc, [1 << 39, (1 << 40) - 1, 1 << 44, 1 << 39]),
        END.to_vec(),
        descriptor(0x88, 2, 2, 0xc, [1, 2, 0, 2]),
    ]
    .concat();
    let window = |kind, first, last, translation| Window { kind, first, last, translation };
    let expected = [
        window(WindowKind::Bus, 0x81, 0xff, 0),
        window(WindowKind::Port, 0xd00, 0xffff, 0),
        window(WindowKind::Memory, 0x8000_0000, 0xfebf_ffff, 0),
        window(WindowKind::Memory, 1 << 39, (1 << 40) - 1, 1 << 44),
    ];
    assert_eq!(windows(&bytes), expected);
}

#[test]
fn what_is_no_window_is_passed_over() {
    let others = [
        descriptor(0x88, 2, 2, 0xd, [1, 2, 0, 2]),
        descriptor(0x88, 2, 2, 0xc, [1, 2, 0, 0]),
        descriptor(0x88, 2, 2, 0xc, [3, 2, 0, 2]),
        descriptor(0x88, 2, 0xc0, 0xc, [1, 2, 0, 2]),
        descriptor(0x88, 1, 2, 0xc, [1, 2, 0, 2]),
        descriptor(0x86, 4, 0, 0, [0; 4]),
        vec![0x86, 0, 0],
    ];
    let good = descriptor(0x88, 2, 2, 0xc, [7, 9, 0, 3]);
    for other in others {
        assert_eq!(windows(&[&other[..], &good].concat()).len(), 1, "{other:x?}");
    }
}

#[test]
fn a_descriptor_that_is_cut_ends_the_list() {
    let good = descriptor(0x88, 2, 2, 0xc, [7, 9, 0, 3]);
    for length in 0..good.len() {
        assert_eq!(windows(&good[..length]), []);
        assert_eq!(windows(&[&good[..], &good[..length]].concat()).len(), 1);
    }
}
