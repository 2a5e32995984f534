//! Tests of the values of objects.
use alloc::string::ToString;
use alloc::vec::Vec;

use acpi_tables::Signature;

use super::{at, dsdt, integer, with_devices};
use crate::builder::{
    buffer, device, eisa_id, integer as number, method, name, package, path, returns, string, table,
};
use crate::{Answer, Buffer, Definition, Device, EisaId, Element, ObjectName, Value};

/// Reads a device with one object, and passes it and the findings to `check`.
fn with_object(object: Vec<u8>, check: impl FnOnce(&Device<'_>, &[alloc::string::String])) {
    with_devices(&[dsdt(&[device("AAAA", &[object])])], |devices, reported| {
        check(at(devices, "\\AAAA"), reported);
    });
}

#[test]
fn integers_have_all_sizes() {
    for value in [0, 1, 2, 0xff, 0x100, 0xffff, 0x1_0000, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        with_object(name("_ADR", &number(value)), |device, reported| {
            assert_eq!(device.value(ObjectName::Adr), Answer::Constant(Value::Integer(value)));
            assert!(reported.is_empty());
        });
    }
}

#[test]
fn the_revision_of_the_dsdt_decides_how_wide_integers_are() {
    for (revision, expected) in [(1, 0xffff_ffff), (2, u64::MAX)] {
        let tables = [
            table(Signature::DSDT, revision, &[device("AAAA", &[name("_UID", &[0xff])])]),
            table(Signature::SSDT, 3 - revision, &[device("BBBB", &[name("_UID", &[0xff])])]),
        ];
        with_devices(&tables, |devices, _| {
            assert_eq!(integer(devices, "\\AAAA", ObjectName::Uid), Answer::Constant(expected));
            assert_eq!(integer(devices, "\\BBBB", ObjectName::Uid), Answer::Constant(expected));
        });
    }
}

#[test]
fn an_eisa_id_has_seven_characters() {
    assert_eq!(EisaId(0x030a_d041).to_string(), "PNP0A03");
    with_object(name("_HID", &eisa_id("ABC9F1E")), |device, _| {
        let Answer::Constant(Value::Integer(id)) = device.value(ObjectName::Hid) else {
            panic!("{device:?}")
        };
        assert_eq!(EisaId(id as u32).to_string(), "ABC9F1E");
    });
}

#[test]
fn strings_end_at_their_zero_byte() {
    with_object(name("_UID", &string("PC00")), |device, _| {
        assert_eq!(device.value(ObjectName::Uid), Answer::Constant(Value::Text(b"PC00")));
    });
}

#[test]
fn a_buffer_has_the_size_that_it_declares() {
    let cases: [(u64, &[u8], &[u8]); 3] = [(4, b"abcd", b"abcd"), (9, b"ab", b"ab"), (2, b"abcd", b"ab")];
    for (size, stated, bytes) in cases {
        with_object(name("_CRS", &buffer(size, stated)), |device, _| {
            assert_eq!(device.resources(), Answer::Constant(Buffer { size, bytes }));
        });
    }
}

#[test]
fn a_package_is_read_element_by_element() {
    let route = package(&[number(0x1_ffff), number(0), path("^LNKA"), number(0)]);
    with_object(name("_PRT", &package(&[route, string("more")])), |device, reported| {
        assert!(reported.is_empty());
        let Answer::Constant(table) = device.routing() else { panic!("{device:?}") };
        let elements: Vec<_> = table.elements().collect();
        let [Element::Value(Value::Package(route)), Element::Value(Value::Text(b"more"))] = elements[..]
        else {
            panic!("{elements:?}")
        };
        let route: Vec<_> = route.elements().collect();
        let [
            Element::Value(Value::Integer(0x1_ffff)),
            Element::Value(Value::Integer(0)),
            Element::Name(link),
            _,
        ] = route[..]
        else {
            panic!("{route:?}")
        };
        assert_eq!(link.to_string(), "^LNKA");
    });
}

#[test]
fn a_method_is_not_executed() {
    let bodies: [&[Vec<u8>]; 4] =
        [&[], &[[0xa3].to_vec(), returns(&[1])], &[returns(b"FOO_")], &[returns(&[1]), returns(&[1])]];
    for body in bodies {
        with_object(method("_PXM", 0, body), |device, reported| {
            assert_eq!(device.domain(), Answer::Method);
            assert!(matches!(device.object(ObjectName::Pxm).definition, Definition::Method(_)));
            assert!(reported.is_empty());
        });
    }
}

#[test]
fn a_method_that_only_returns_a_constant_is_as_good_as_one() {
    with_object(method("_SEG", 0, &[returns(&number(0x102))]), |device, _| {
        assert_eq!(device.segment(), Answer::Constant(0x102));
    });
    with_object(method("_SEG", 0, &[returns(&number(0x1_0000))]), |device, _| {
        assert_eq!(device.segment(), Answer::Method, "no segment has this number");
    });
}

#[test]
fn a_value_of_a_wrong_type_is_not_used() {
    let wrong = [
        ("_PXM", string("1")),
        ("_ADR", buffer(1, b"a")),
        ("_HID", package(&[number(1)])),
        ("_CID", buffer(1, b"a")),
        ("_CRS", number(1)),
        ("_PRT", buffer(0, b"")),
        ("_BBN", number(0x100)),
        ("_SEG", number(0x1_0000)),
        ("_PXM", number(1 << 32)),
        ("_PXM", path("FOO")),
        ("_CRS", [0x11, 6, b'S', b'I', b'Z', b'E', 0].to_vec()),
    ];
    for (object, value) in wrong {
        with_object(name(object, &value), |device, reported| {
            assert_eq!(*reported, ["aml.value dropped"], "{object}");
            let answers = ObjectName::ALL.map(|name| device.value(name));
            assert_eq!(answers.iter().filter(|answer| **answer == Answer::Unusable).count(), 1, "{object}");
        });
    }
}

#[test]
fn an_alias_is_not_followed() {
    with_object(b"\x06FOO__PXM".to_vec(), |device, reported| {
        assert_eq!(device.domain(), Answer::Unusable);
        assert_eq!(*reported, ["aml.value dropped"]);
    });
}
