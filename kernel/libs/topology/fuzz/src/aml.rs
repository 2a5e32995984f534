//! A DSDT, built from arbitrary bytes. It is correct, so that fuzzing gets far.
use acpi_tables::Signature;
use aml_names::builder::{
    buffer, condition, device, eisa_id, integer, method, name, otherwise, package, path, processor, returns,
    scope, string, table,
};
use arbitrary::{Arbitrary, Result, Unstructured};

/// The highest number of terms in a package.
const MANY: usize = 6;

/// How deep packages are nested.
const DEPTH: usize = 5;

/// Names of devices.
const DEVICES: [&str; 5] = ["PC00", "PC01", "RP01", "^PC02", "\\_SB.PC00.RP02"];

/// Scopes.
const SCOPES: [&str; 6] = ["\\_SB", "\\_SB.PC00", "PC00", "\\", "^", "\\_SB.PC01.RP01"];

/// Names of the objects that the reader looks for, and of one that it does not.
const OBJECTS: [&str; 11] =
    ["_HID", "_CID", "_UID", "_ADR", "_BBN", "_SEG", "_PXM", "_CRS", "_PRT", "_STA", "\\_SB.PC00._PXM"];

/// Terms between devices: a region, a field, calls, and terms with bytes that are no terms.
const OTHERS: [&[u8]; 7] = [
    b"\x5b\x80REGN\x00\x0b\x00\x10\x72FOO_\x0a\x02\x00",
    b"\x5b\x81\x0bREGN\x01FLD0\x08",
    b"\x5b\x01MUTX\x00\x15FUNC\x08\x02\x06FOO__UID",
    b"FUNC\x0b\x34\x12\x60\x70FUNC\x0dtext\0\x0a\x05FOO_",
    b"\x8aBUFF\x0a\x04FLD1\x5b\x23MUTX\xe8\x03\x5b\x32\x01\x02\0\0\0\x0a\x03",
    b"\x08BUFF\x11\x05FOO_\x5b\x12FOO_\x60\x86\\FOO_\x01",
    b"\xa2\x07\x95\x60\x0a\x05\x75\x60",
];

/// Builds a DSDT with devices, scopes and conditions.
///
/// # Errors
/// Returns an error if `u` has too few bytes.
pub fn dsdt(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let revision = u.int_in_range(1..=2)?;
    Ok(table(Signature::DSDT, revision, &[scope("\\_SB", &terms(u, DEPTH)?), terms(u, DEPTH)?.concat()]))
}

fn terms(u: &mut Unstructured<'_>, depth: usize) -> Result<Vec<Vec<u8>>> {
    let count = u.int_in_range(0..=MANY)?;
    (0..count).map(|_| term(u, depth)).collect()
}

fn term(u: &mut Unstructured<'_>, depth: usize) -> Result<Vec<u8>> {
    let kinds = if depth == 0 { 3 } else { 8 };
    Ok(match u.int_in_range(0..=kinds)? {
        0 | 1 => name(u.choose(&OBJECTS)?, &value(u, 2)?),
        2 => method(u.choose(&OBJECTS)?, 0, &[returns(&value(u, 1)?)]),
        3 => u.choose(&OTHERS)?.to_vec(),
        4 | 5 => device(u.choose(&DEVICES)?, &terms(u, depth - 1)?),
        6 => scope(u.choose(&SCOPES)?, &terms(u, depth - 1)?),
        7 => [condition(b"\x93FOO_\x01", &terms(u, depth - 1)?), otherwise(&terms(u, depth - 1)?)].concat(),
        _ => processor("CPU0", &terms(u, depth - 1)?),
    })
}

fn value(u: &mut Unstructured<'_>, depth: usize) -> Result<Vec<u8>> {
    let kinds = if depth == 0 { 4 } else { 5 };
    Ok(match u.int_in_range(0..=kinds)? {
        0 | 1 => integer(u.int_in_range(0..=9)?),
        2 => integer(u64::arbitrary(u)? >> (u8::arbitrary(u)? % 64)),
        3 => eisa_id(u.choose(&["PNP0A03", "PNP0A08", "PNP0C0F"])?),
        4 => u.choose(&[string("PNP0A08"), buffer(4, b"abcd"), buffer(300, b""), path("^LNKA")])?.clone(),
        _ => {
            let count = u.int_in_range(0..=4)?;
            package(&(0..count).map(|_| value(u, depth - 1)).collect::<Result<Vec<_>>>()?)
        }
    })
}
