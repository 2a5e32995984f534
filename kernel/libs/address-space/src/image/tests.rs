//! Tests of an image's parts.
extern crate std;
use super::*;
use elf::abi::{PF_R, PT_NULL};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// Returns an ELF file with only headers. Each segment is given by its type, flags, address and length.
fn file(segments: &[(u32, u32, u64, u64)]) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([2_u16, 62].map(u16::to_le_bytes).concat());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend([0_u64, 64, 0].map(u64::to_le_bytes).concat());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend([64_u16, 56, segments.len() as u16, 64, 0, 0].map(u16::to_le_bytes).concat());
    for &(kind, flags, address, length) in segments {
        bytes.extend([kind, flags].map(u32::to_le_bytes).concat());
        bytes.extend([0, address, address, 0, length, 4096].map(u64::to_le_bytes).concat());
    }
    bytes
}

fn part(start: u64, pages: u64, rights: SegmentRights) -> Part {
    Part { start: VirtAddr(start), pages, rights }
}

const BASE: u64 = 0xffff_ffff_8000_0000;

#[test]
fn each_segment_has_the_rights_of_its_header() {
    let file = file(&[
        (PT_LOAD, PF_R, BASE, 0xaafc),
        (PT_LOAD, PF_R | PF_X, BASE + 0xbb00, 0x3c5e4),
        (PT_LOAD, PF_R | PF_W, BASE + 0x4a300, 0x26328),
        (PT_NULL, PF_R | PF_W | PF_X, 0, 0x1000),
    ]);
    let expected = [
        part(BASE, 11, SegmentRights::Read),
        part(BASE + 0xb000, 0x3e, SegmentRights::ReadExecute),
        part(BASE + 0x4a000, 0x27, SegmentRights::ReadWrite),
    ];
    assert_eq!(parts(&file).as_deref(), Ok(&expected[..]));
}

#[test]
fn pages_in_relro_are_read_only_and_the_rest_of_the_segment_is_not() {
    let file =
        file(&[(PT_LOAD, PF_R | PF_W, BASE + 0xe8, 0x4000), (PT_GNU_RELRO, PF_R, BASE + 0xe8, 0x1f18)]);
    let expected = [part(BASE, 2, SegmentRights::Read), part(BASE + 0x2000, 3, SegmentRights::ReadWrite)];
    assert_eq!(parts(&file).as_deref(), Ok(&expected[..]));
}

#[test]
fn a_page_in_which_relro_ends_stays_writable() {
    let file = file(&[(PT_LOAD, PF_R | PF_W, BASE, 0x3000), (PT_GNU_RELRO, PF_R, BASE, 0x1800)]);
    let expected = [part(BASE, 1, SegmentRights::Read), part(BASE + 0x1000, 2, SegmentRights::ReadWrite)];
    assert_eq!(parts(&file).as_deref(), Ok(&expected[..]));
}

#[test]
fn a_page_in_which_relro_starts_after_other_data_stays_writable() {
    let file = file(&[(PT_LOAD, PF_R | PF_W, BASE, 0x3000), (PT_GNU_RELRO, PF_R, BASE + 0x800, 0x1800)]);
    let expected = [
        part(BASE, 1, SegmentRights::ReadWrite),
        part(BASE + 0x1000, 1, SegmentRights::Read),
        part(BASE + 0x2000, 1, SegmentRights::ReadWrite),
    ];
    assert_eq!(parts(&file).as_deref(), Ok(&expected[..]));
}

#[test]
fn writable_code_is_refused() {
    let file = file(&[(PT_LOAD, PF_W | PF_X, BASE, 0x1000)]);
    assert_eq!(parts(&file), Err(ImageError::WritableCode(VirtAddr(BASE))));
}

#[test]
fn segments_that_share_a_page_are_refused() {
    let file = file(&[(PT_LOAD, PF_R, BASE, 0x1001), (PT_LOAD, PF_R | PF_X, BASE + 0x1800, 0x10)]);
    assert_eq!(parts(&file), Err(ImageError::SegmentPlace(VirtAddr(BASE + 0x1800))));
}

#[test]
fn a_segment_that_wraps_around_is_refused_and_one_that_ends_the_address_space_is_not() {
    let wraps = file(&[(PT_LOAD, PF_R, u64::MAX - 0xfff, 0x1001)]);
    assert_eq!(parts(&wraps), Err(ImageError::SegmentPlace(VirtAddr(u64::MAX - 0xfff))));
    let ends = file(&[(PT_LOAD, PF_R, u64::MAX - 0xfff, 0x1000)]);
    assert_eq!(parts(&ends).as_deref(), Ok(&[part(u64::MAX - 0xfff, 1, SegmentRights::Read)][..]));
}

#[test]
fn a_file_that_is_not_elf_is_refused() {
    assert_eq!(parts(b"MZ"), Err(ImageError::NotElf));
    assert_eq!(parts(&file(&[])), Err(ImageError::NotElf));
}

proptest! {
    #[test]
    fn any_headers_lead_to_ascending_parts_or_an_error(
        segments in prop::collection::vec(
            (prop_oneof![Just(PT_LOAD), Just(PT_GNU_RELRO), any::<u32>()], 0_u32..8, any::<u64>(), any::<u64>()),
            0..20,
        ),
    ) {
        if let Ok(parts) = parts(&file(&segments)) {
            for (part, next) in parts.iter().zip(parts.iter().skip(1)) {
                prop_assert!(part.start.0 + part.pages * FRAME_SIZE <= next.start.0);
            }
        }
    }

    #[test]
    fn any_bytes_lead_to_parts_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parts(&bytes);
    }
}
