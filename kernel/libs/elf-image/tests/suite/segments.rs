//! Each reason to refuse a file header or a segment: a driver is changed in one thing, and the error names it.
use crate::builder::*;
use crate::memory::{BASE, kernel_address, load};
use crate::wrong::*;
use elf::abi::*;
use elf_image::{Image, ImageError, MAX_IMAGE_BYTES, MAX_SEGMENTS, PAGE_SIZE, Permissions, SegmentFault};

#[test]
fn the_driver_that_the_tests_change_loads_unchanged() {
    for hash in [Hash::Gnu, Hash::SystemV] {
        let image = accepted(|driver| driver.hash = hash);
        let memory = load(&image, |name| name == "Kernel_Log").expect("relocated");
        assert_eq!(memory.word(CONSTANTS), BASE + DATA);
        assert_eq!(memory.word(CONSTANTS + 8), kernel_address("Kernel_Log"));
        assert_eq!(memory.word(CONSTANTS + 16), 0, "a weak symbol");
        assert_eq!(memory.word(CONSTANTS + 24), kernel_address("Kernel_Log"));
        assert_eq!(memory.word(DATA), BASE + DATA + 0x20 - 8);
        assert_eq!(image.symbol("Driver_Init"), Some(CODE + 0x10));
        assert_eq!(image.page_count() as u64, END.div_ceil(4096));
        let permissions: Vec<_> =
            (0..image.page_count()).map(|index| image.page(index).map(|page| page.permissions)).collect();
        use Permissions::{Read, ReadExecute, ReadWrite};
        let expected = [Read, Read, Read, Read, ReadExecute, Read, ReadWrite, ReadWrite, ReadWrite];
        assert_eq!(permissions, expected.map(Some));
    }
}

#[test]
fn a_file_that_is_not_elf() {
    for file in [&b""[..], b"\x7fEL", b"#!/bin/sh\n", &[0; 4096]] {
        assert_eq!(Image::parse(file).err(), Some(ImageError::NotElf));
    }
}

#[test]
fn another_class_order_version_type_or_machine() {
    assert_eq!(refused(|driver| driver.class = 1), ImageError::Not64Bit);
    assert_eq!(refused(|driver| driver.class = 7), ImageError::Not64Bit);
    assert_eq!(refused(|driver| driver.order = 2), ImageError::NotLittleEndian);
    assert_eq!(refused(|driver| driver.version = 2), ImageError::Version { found: 2 });
    assert_eq!(refused(|driver| driver.kind = ET_REL), ImageError::FileType { found: ET_REL });
    assert_eq!(refused(|driver| driver.machine = EM_386), ImageError::Machine { found: EM_386 });
    assert_eq!(
        refused(|driver| driver.machine = 0xfff0).to_string(),
        "wrong machine 65520, unknown, not x86_64"
    );
    assert_eq!(refused(|driver| driver.header_length = 64), ImageError::ProgramHeaderLength { found: 64 });
}

#[test]
fn a_file_that_ends_before_what_its_headers_promise() {
    let end = refused(|driver| driver.segments[WRITABLE].in_file += 1);
    assert_eq!(end, ImageError::CutShort { needed: FILE_END + 1, length: FILE_END });
    let sections = refused(|driver| (driver.sections_offset, driver.sections) = (FILE_END, 2));
    assert_eq!(sections, ImageError::CutShort { needed: FILE_END + 128, length: FILE_END });
    let far = refused(|driver| {
        driver.segments[TEXT].offset = u64::MAX - 0xfff;
    });
    assert_eq!(far, ImageError::CutShort { needed: u64::MAX - 0xeff, length: FILE_END });
}

#[test]
fn no_segment_or_too_many() {
    assert_eq!(refused(|driver| driver.segments.clear()), ImageError::NoSegments);
    assert_eq!(refused(|driver| driver.segments.drain(..3).for_each(drop)), ImageError::NoSegments);
    let many = |count: usize| {
        move |driver: &mut Driver| {
            let start = END.next_multiple_of(4096);
            let pages = (0..count as u64 - 3).map(|page| start + page * 4096);
            driver.segments.extend(pages.map(|page| Segment {
                offset: 0,
                in_file: 0,
                ..Segment::new(PT_LOAD, PF_R, page, page + 1)
            }));
        }
    };
    accepted(many(MAX_SEGMENTS));
    assert_eq!(refused(many(MAX_SEGMENTS + 1)), ImageError::TooManySegments);
}

#[test]
fn segments_that_overlap_share_a_page_or_are_out_of_order() {
    let overlapping = refused(|driver| driver.segments[TEXT].in_memory = 0x1001);
    assert_eq!(overlapping, segment(DYNAMIC, SegmentFault::Order));
    let sharing = Segment::new(PT_LOAD, PF_R, CODE + 0x800, CODE + 0x900);
    let shared = refused(|driver| driver.segments.insert(TEXT + 1, sharing));
    assert_eq!(shared, segment(CODE + 0x800, SegmentFault::Order));
    let swapped = refused(|driver| driver.segments.swap(0, 1));
    assert_eq!(swapped, segment(0, SegmentFault::Order));
}

#[test]
fn a_segment_with_a_wrong_alignment_place_or_length() {
    let alignment = |alignment| move |driver: &mut Driver| driver.segments[TEXT].alignment = alignment;
    let wrong = |alignment| segment(CODE, SegmentFault::Alignment { alignment });
    assert_eq!(refused(alignment(8192)), wrong(8192));
    assert_eq!(refused(alignment(48)), wrong(48));
    for good in [0, 1, 16, 4096] {
        accepted(alignment(good));
    }
    let place = refused(|driver| driver.segments[TEXT].offset += 16);
    assert_eq!(place, segment(CODE, SegmentFault::Offset));
    let length = refused(|driver| driver.segments[TEXT].in_memory -= 1);
    assert_eq!(length, segment(CODE, SegmentFault::Length));
}

#[test]
fn an_image_that_asks_for_more_memory_than_a_driver_gets() {
    let limit = |end: u64| move |driver: &mut Driver| driver.segments[WRITABLE].in_memory = end - DYNAMIC;
    assert_eq!(accepted(limit(MAX_IMAGE_BYTES)).page_count(), 16384);
    assert_eq!(refused(limit(MAX_IMAGE_BYTES + 1)), segment(DYNAMIC, SegmentFault::TooLarge));
    assert_eq!(
        refused(|driver| driver.segments[WRITABLE].in_memory = u64::MAX),
        segment(DYNAMIC, SegmentFault::TooLarge)
    );
    assert_eq!(
        refused(|driver| driver.segments[WRITABLE].address = 1 << 63),
        segment(1 << 63, SegmentFault::TooLarge)
    );
}

#[test]
fn a_segment_that_is_written_and_executed() {
    let error = refused(|driver| driver.segments[TEXT].flags |= PF_W);
    assert_eq!(error, segment(CODE, SegmentFault::WritableCode));
}

#[test]
fn features_that_a_kernel_does_not_provide() {
    let with = |kind, flags| {
        move |driver: &mut Driver| driver.segments.push(Segment::new(kind, flags, 0x100, 0x120))
    };
    assert_eq!(refused(with(PT_INTERP, PF_R)), ImageError::Interpreter);
    assert_eq!(refused(with(PT_TLS, PF_R)), ImageError::ThreadLocalStorage);
    assert_eq!(refused(|driver| driver.segments[STACK].flags |= PF_X), ImageError::ExecutableStack);
    accepted(with(PT_NOTE, PF_R));
}

#[test]
fn relro_that_is_not_in_writable_memory_or_comes_twice() {
    let place = refused(|driver| driver.segments[RELRO].address = CODE);
    assert_eq!(place, ImageError::RelroPlace { address: CODE });
    let length = refused(|driver| driver.segments[RELRO].in_memory = u64::MAX);
    assert_eq!(length, ImageError::RelroPlace { address: DYNAMIC });
    let twice = refused(|driver| driver.segments.push(driver.segments[RELRO]));
    assert_eq!(twice, ImageError::Repeated { segment: PT_GNU_RELRO });
}

#[test]
fn relro_that_ends_within_a_page_leaves_that_page_writable() {
    let image = accepted(|driver| driver.segments[RELRO].in_memory -= 8);
    let page = image.page(DYNAMIC as usize / PAGE_SIZE).expect("mapped");
    assert_eq!(page.permissions, Permissions::ReadWrite);
}
