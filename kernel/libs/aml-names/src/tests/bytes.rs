//! Properties that hold for arbitrary bytes.
use alloc::vec;
use alloc::vec::Vec;

use acpi_tables::Signature;
use proptest::prelude::*;

use crate::builder::table;
use crate::invariants::read_all;

/// Bytes that are likely to form terms.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        3 => prop::sample::select(vec![
            &b"\x5b\x82"[..], b"\x10", b"\x14", b"\x08", b"\xa0", b"\xa1", b"\x12", b"\x11", b"\x5b\x83", b"\x5b\x85",
            b"\x06", b"\x5b\x80", b"\x5b\x23", b"\x0d", b"\0", b"\x01", b"\xff", b"\x0a", b"\x0c", b"\\", b"^", b"/\x03", b".",
        ]).prop_map(<[u8]>::to_vec),
        3 => prop::sample::select(vec![&b"_HID"[..], b"_CID", b"_PXM", b"_ADR", b"_PRT", b"_SB_", b"AAAA", b"PCI0"])
            .prop_map(<[u8]>::to_vec),
        1 => Just(b"\x0c\x41\xd0\x0a\x08".to_vec()),
        2 => any::<u8>().prop_map(|byte| vec![byte]),
        1 => any::<[u8; 2]>().prop_map(|bytes| bytes.to_vec()),
    ];
    prop::collection::vec(token, 0..120).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_in_bounded_steps(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_all(&[table(Signature::DSDT, 2, core::slice::from_ref(&bytes))], true);
        let _ = read_all(&[[b"DSDT", &bytes[..]].concat(), [b"SSDT", &bytes[..]].concat()], true);
    }

    #[test]
    fn bytes_like_terms_are_read_in_bounded_steps(first in likely(), second in likely()) {
        let _ = read_all(&[table(Signature::DSDT, 1, &[first]), table(Signature::SSDT, 2, &[second])], true);
    }
}
