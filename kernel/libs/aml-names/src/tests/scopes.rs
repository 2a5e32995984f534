//! Tests of where devices are and to which device an object belongs.
use alloc::vec;

use super::{at, dsdt, integer, paths, pxm, ssdt, with_devices};
use crate::builder::{
    condition, device, integer as number, method, name, otherwise, power_resource, processor, scope,
    thermal_zone,
};
use crate::{Answer, ObjectName};

#[test]
fn a_device_has_the_path_of_the_scopes_around_it() {
    let tables = [dsdt(&[
        scope(
            "\\_SB",
            &[device("PC00", &[device("RP01", &[device("^RP02", &[])]), device("\\_SB.XYZ", &[])])],
        ),
        device("\\_SB.PC00.RP03", &[]),
        scope("_SB.PC00", &[device("^PC01", &[])]),
        device("ROOT", &[]),
    ])];
    with_devices(&tables, |devices, reported| {
        let expected = [
            "\\_SB.PC00",
            "\\_SB.PC00.RP01",
            "\\_SB.PC00.RP02",
            "\\_SB.XYZ",
            "\\_SB.PC00.RP03",
            "\\_SB.PC01",
            "\\ROOT",
        ];
        assert_eq!(paths(devices), expected);
        assert!(reported.is_empty());
    });
}

#[test]
fn a_scope_of_any_table_adds_objects() {
    let tables = [
        ssdt(&[scope("\\_SB.PC00", &[pxm(1)])]),
        ssdt(&[name("\\_SB.PC00._SEG", &number(3)), name("\\_SB.PC00.RP01._ADR", &number(0x10000))]),
        dsdt(&[scope("\\_SB", &[device("PC00", &[device("RP01", &[])])])]),
    ];
    with_devices(&tables, |devices, reported| {
        assert_eq!(integer(devices, "\\_SB.PC00", ObjectName::Pxm), Answer::Constant(1));
        assert_eq!(at(devices, "\\_SB.PC00").object(ObjectName::Pxm).block, 1);
        assert_eq!(integer(devices, "\\_SB.PC00", ObjectName::Seg), Answer::Constant(3));
        assert_eq!(integer(devices, "\\_SB.PC00.RP01", ObjectName::Adr), Answer::Constant(0x10000));
        assert!(reported.is_empty());
    });
}

#[test]
fn a_device_that_is_only_extended_is_not_listed() {
    with_devices(&[dsdt(&[scope("\\_SB.PC00", &[pxm(1)])])], |devices, _| {
        assert!(paths(devices).is_empty());
    });
}

#[test]
fn a_scope_with_a_single_name_is_looked_for_in_the_scopes_around() {
    let tables = [dsdt(&[
        scope("\\_SB", &[device("PC00", &[]), device("PC01", &[])]),
        scope("\\_SB.PC01", &[scope("PC00", &[pxm(7)]), scope("_SB", &[device("AAAA", &[])])]),
    ])];
    with_devices(&tables, |devices, _| {
        assert_eq!(integer(devices, "\\_SB.PC00", ObjectName::Pxm), Answer::Constant(7));
        assert_eq!(at(devices, "\\_SB.AAAA").path.segments().len(), 2);
    });
}

#[test]
fn objects_in_a_condition_are_conditional() {
    let either = [condition(&[1], &[pxm(1)]), otherwise(&[pxm(2)])];
    let tables = [dsdt(&[
        device("AAAA", &either),
        device("BBBB", &[condition(&[1], &[name("_UID", &number(1))]), pxm(1)]),
        condition(&[1], &[device("CCCC", &[pxm(1)]), scope("BBBB", &[name("_SEG", &number(1))])]),
        device("DDDD", &[condition(&[1], &[method("_PXM", 0, &[])])]),
    ])];
    with_devices(&tables, |devices, reported| {
        let domain = |path| integer(devices, path, ObjectName::Pxm);
        assert_eq!(domain("\\AAAA"), Answer::Conditional);
        assert_eq!(domain("\\BBBB"), Answer::Constant(1));
        assert_eq!(integer(devices, "\\BBBB", ObjectName::Uid), Answer::Conditional);
        assert_eq!(integer(devices, "\\BBBB", ObjectName::Seg), Answer::Conditional);
        assert!(at(devices, "\\CCCC").is_conditional && !at(devices, "\\BBBB").is_conditional);
        assert_eq!(domain("\\CCCC"), Answer::Constant(1), "if the device exists, so does its object");
        assert_eq!(domain("\\DDDD"), Answer::Conditional);
        assert!(reported.is_empty());
    });
}

#[test]
fn nothing_is_certain_about_a_device_that_is_defined_twice() {
    let twice = [device("AAAA", &[pxm(1)]), device("AAAA", &[name("_SEG", &number(1))])];
    with_devices(&[dsdt(&twice)], |devices, reported| {
        assert_eq!(integer(devices, "\\AAAA", ObjectName::Pxm), Answer::Conditional);
        assert_eq!(integer(devices, "\\AAAA", ObjectName::Seg), Answer::Conditional);
        assert_eq!(*reported, ["aml.duplicate dropped"]);
    });
    let either = [condition(&[1], &[device("AAAA", &[pxm(1)])]), otherwise(&[device("AAAA", &[pxm(2)])])];
    with_devices(&[dsdt(&either)], |devices, reported| {
        assert_eq!(integer(devices, "\\AAAA", ObjectName::Pxm), Answer::Conditional);
        assert!(at(devices, "\\AAAA").is_conditional);
        assert!(reported.is_empty(), "one of the two conditions may hold: {reported:?}");
    });
}

#[test]
fn the_first_of_two_objects_is_used() {
    with_devices(&[dsdt(&[device("AAAA", &[pxm(1), pxm(2)])])], |devices, reported| {
        assert_eq!(integer(devices, "\\AAAA", ObjectName::Pxm), Answer::Constant(1));
        assert_eq!(*reported, ["aml.duplicate dropped"]);
    });
    // A later object in a condition cannot replace the first.
    let tables = [dsdt(&[device("AAAA", &[pxm(1), condition(&[1], &[pxm(2)])])])];
    with_devices(&tables, |devices, reported| {
        assert_eq!(integer(devices, "\\AAAA", ObjectName::Pxm), Answer::Constant(1));
        assert!(reported.is_empty());
    });
}

#[test]
fn objects_of_other_scopes_are_not_those_of_the_device() {
    let inner = |make: fn(&str, &[vec::Vec<u8>]) -> vec::Vec<u8>| make("INNR", &[pxm(1)]);
    let tables = [dsdt(&[device(
        "AAAA",
        &[inner(processor), inner(power_resource), inner(thermal_zone), device("BBBB", &[])],
    )])];
    with_devices(&tables, |devices, reported| {
        assert_eq!(paths(devices), ["\\AAAA", "\\AAAA.BBBB"]);
        assert!(devices.iter().all(|device| device.value(ObjectName::Pxm) == Answer::Absent));
        assert!(reported.is_empty());
    });
}

#[test]
fn terms_between_devices_are_passed() {
    // The operands of each of these are terms again, so the walk passes them one by one.
    let between: &[&[u8]] = &[
        // OperationRegion (REGN, SystemMemory, 0x1000, Add (FOO, 2)), Field (REGN, …) {…}
        b"\x5b\x80REGN\x00\x0b\x00\x10\x72FOO_\x0a\x02\x00",
        b"\x5b\x81\x0bREGN\x01FLD0\x08",
        // Mutex (MUTX, 0), Event (EVNT), External (FUNC, MethodObj, 2), Alias (FOO, BAR)
        b"\x5b\x01MUTX\x00\x5b\x02EVNT\x15FUNC\x08\x02\x06FOO_BAR_",
        // FUNC (0x1234, Local0); Store (FUNC ("text", 5), FOO)
        b"FUNC\x0b\x34\x12\x60\x70FUNC\x0dtext\0\x0a\x05FOO_",
        // CreateDWordField (BUFF, 4, FLD1), Acquire (MUTX, 1000), Acquire (Local0, 1000), Fatal (1, 2, 3)
        b"\x8aBUFF\x0a\x04FLD1\x5b\x23MUTX\xe8\x03\x5b\x23\x60\xe8\x03\x5b\x32\x01\x02\0\0\0\x0a\x03",
        // Match (PACK, MEQ, 1, MGT, 2, 0); Name (BUFF, Buffer (FOO) {}); CondRefOf (FOO, Local0); Notify (\FOO, 1)
        b"\x89PACK\x01\x01\x05\x0a\x02\x00\x08BUFF\x11\x05FOO_\x5b\x12FOO_\x60\x86\\FOO_\x01",
        // While (LLess (Local0, 5)) {Increment (Local0)}
        b"\xa2\x07\x95\x60\x0a\x05\x75\x60",
        // DataRegion (DATA, "OEM1", "", ""), VarPackage (Local0) {}
        b"\x5b\x88DATA\x0dOEM1\0\x0d\0\x0d\0\x13\x02\x60",
    ];
    for noise in between.iter().map(|bytes| bytes.to_vec()).chain([between.concat()]) {
        let tables = [dsdt(&[device("AAAA", &[pxm(1), noise.clone(), name("_SEG", &number(5))]), noise])];
        with_devices(&tables, |devices, reported| {
            assert!(reported.is_empty(), "{reported:?}");
            assert_eq!(paths(devices), ["\\AAAA"]);
            assert_eq!(integer(devices, "\\AAAA", ObjectName::Seg), Answer::Constant(5));
        });
    }
}
