//! Tests of what cannot be read: it is reported and skipped, and the rest is read.
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use acpi_tables::{Finding, Signature};

use super::{dsdt, integer, paths, pxm, with_devices};
use crate::builder::{device, name, scope, sized, table};
use crate::{Answer, Device, MAX_NESTING, MAX_SEGMENTS, ObjectName, read_devices};

/// Checks that these bytes inside a device are reported under the rule, and that the rest of that device is skipped.
#[track_caller]
fn ends_its_device(bytes: &[u8], rule: &str) {
    let tables =
        [dsdt(&[device("AAAA", &[pxm(1), bytes.to_vec(), name("_SEG", &[1])]), device("BBBB", &[])])];
    with_devices(&tables, |devices, reported| {
        assert_eq!(*reported, [rule], "{bytes:x?}");
        assert_eq!(integer(devices, "\\AAAA", ObjectName::Pxm), Answer::Constant(1));
        assert_eq!(integer(devices, "\\AAAA", ObjectName::Seg), Answer::Absent);
        assert_eq!(paths(devices), ["\\AAAA", "\\BBBB"], "{bytes:x?}");
    });
}

#[test]
fn a_byte_that_starts_no_term_ends_its_package() {
    for bytes in [&[0x9a][..], &[0xfe], &[0x5b, 0x99], &[0x20], &[0x5b, 0x5b]] {
        ends_its_device(bytes, "aml.term dropped");
    }
}

#[test]
fn a_wrong_name_ends_its_package() {
    for bytes in [&b"\x08abcd"[..], b"\x08A^CD", b"\\\\AAA", b".AAAAbbbb", b"^\xff", b"\x06AAAAB@@@"] {
        ends_its_device(bytes, "aml.name dropped");
    }
    ends_its_device(b"\x08^^^^^_PXM\x01", "aml.name dropped");
}

#[test]
fn a_length_that_is_too_short_ends_its_package() {
    ends_its_device(&[0x10, 0], "aml.length dropped");
    ends_its_device(&[0x14, 0x41, 0], "aml.length dropped");
}

#[test]
fn a_term_that_does_not_fit_is_skipped() {
    let tables = [dsdt(&[device("AAAA", &[pxm(1), b"\x08_UID\x0dtext".to_vec()]), device("BBBB", &[])])];
    with_devices(&tables, |devices, reported| {
        // The string ends at a zero byte that belongs to another package, if at all.
        assert_eq!(*reported, ["aml.term dropped"]);
        assert_eq!(paths(devices), ["\\AAAA", "\\BBBB"]);
    });
}

#[test]
fn a_package_that_is_too_long_ends_with_the_package_around_it() {
    let mut inner = device("BBBB", &[pxm(1)]);
    inner[2] = 0x3f;
    let tables = [dsdt(&[device("AAAA", &[inner]), device("CCCC", &[pxm(2)])])];
    with_devices(&tables, |devices, reported| {
        assert_eq!(*reported, ["aml.length mended"]);
        assert_eq!(integer(devices, "\\AAAA.BBBB", ObjectName::Pxm), Answer::Constant(1));
        assert_eq!(integer(devices, "\\CCCC", ObjectName::Pxm), Answer::Constant(2));
    });
}

#[test]
fn a_package_with_an_unreadable_header_is_skipped_alone() {
    for bad in [
        sized(&[0x5b, 0x82], b"abcd"),
        sized(&[0x10], b"^^^ABCD"),
        sized(&[0x14], b"_PX"),
        sized(&[0x5b, 0x83], b"CPU0\x01"),
    ] {
        let tables = [dsdt(&[device("AAAA", &[bad.clone(), pxm(1)])])];
        with_devices(&tables, |devices, reported| {
            assert_eq!(reported.len(), 1, "{bad:x?}: {reported:?}");
            assert_eq!(integer(devices, "\\AAAA", ObjectName::Pxm), Answer::Constant(1), "{bad:x?}");
        });
    }
}

#[test]
fn nesting_has_a_limit() {
    // The block is the first of the packages.
    for (count, is_seen) in [(MAX_NESTING - 2, true), (MAX_NESTING - 1, false)] {
        let innermost = device("\\INNR", &[]);
        let nested = (0..count).fold(innermost, |inside, _| scope("\\", &[inside]));
        with_devices(&[dsdt(&[nested, device("AAAA", &[])])], |devices, reported| {
            assert_eq!(paths(devices).contains(&"\\INNR".to_string()), is_seen);
            assert!(paths(devices).contains(&"\\AAAA".to_string()));
            assert_eq!(reported.is_empty(), is_seen, "{reported:?}");
        });
    }
}

#[test]
fn a_path_has_a_limit() {
    for (count, is_seen) in [(MAX_SEGMENTS, true), (MAX_SEGMENTS + 1, false)] {
        let long = vec!["AAAA"; count].join(".");
        with_devices(&[dsdt(&[device(&long, &[]), device("BBBB", &[])])], |devices, reported| {
            assert_eq!(paths(devices).len(), 1 + usize::from(is_seen));
            assert_eq!(*reported == ["aml.nesting dropped"], !is_seen);
        });
    }
}

#[test]
fn a_table_is_read_as_far_as_it_can_be() {
    let good = dsdt(&[device("AAAA", &[pxm(1)]), device("BBBB", &[pxm(1)])]);
    let cut = good[..good.len() - 1].to_vec();
    with_devices(&[cut], |devices, reported| {
        assert_eq!(paths(devices), ["\\AAAA", "\\BBBB"]);
        assert_eq!(*reported, ["table.length mended", "aml.length mended", "aml.term dropped"]);
    });
    with_devices(&[good[..20].to_vec()], |devices, reported| {
        assert!(paths(devices).is_empty());
        assert_eq!(*reported, ["table.length refused"]);
    });
    with_devices(&[b"SSDT".to_vec(), b"DSDT".to_vec()], |devices, _| assert!(paths(devices).is_empty()));
    with_devices(&[], |devices, _| assert!(paths(devices).is_empty()));
}

#[test]
fn a_finding_says_where_and_in_which_table() {
    let bad = table(Signature::SSDT, 2, &[device("AAAA", &[vec![0x9a]])]);
    let tables = [dsdt(&[]), table(Signature::SSDT, 2, &[]), bad];
    let mut found = Vec::new();
    let mut report = |finding: Finding| found.push(finding.in_full().to_string());
    let mut storage = [Device::EMPTY; 4];
    read_devices(tables.iter().map(Vec::as_slice), &mut storage, &mut report);
    let expected = "SSDT at 0x2b: byte 0x9a starts no term; 1 bytes of its package are skipped (SSDT 2) \
                    [aml.term, dropped]";
    assert_eq!(found, [expected]);
}
