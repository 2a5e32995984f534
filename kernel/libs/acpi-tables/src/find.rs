//! Picks a table out of all that the machine has, and checks what holds for any table: length and checksum.
use zerocopy::FromBytes;

use crate::wire::{HmatHeader, MadtHeader, MsctHeader, SdtHeader, SlitHeader, SratHeader};
use crate::{Finding, Findings, Hmat, Madt, Msct, Signature, Slit, Srat, What};

/// Where in a table its length and its checksum lie (ACPI 6.5 §5.2.6).
const LENGTH_OFFSET: u32 = 4;
const CHECKSUM_OFFSET: u32 = 9;

/// The machine's SRAT: the first that can be read. `tables` are the raw bytes of any tables, each slice as long as
/// could be mapped, whatever the table's header says.
pub fn find_srat<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<Srat<'a>> {
    find(tables, Signature::SRAT, size_of::<SratHeader>(), findings).and_then(Srat::new)
}

/// The machine's SLIT; as [`find_srat`].
pub fn find_slit<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<Slit<'a>> {
    find(tables, Signature::SLIT, size_of::<SlitHeader>(), findings)
        .and_then(|bytes| Slit::new(bytes, findings))
}

/// The machine's MADT; as [`find_srat`].
pub fn find_madt<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<Madt<'a>> {
    find(tables, Signature::MADT, size_of::<MadtHeader>(), findings).and_then(Madt::new)
}

/// The machine's HMAT; as [`find_srat`].
pub fn find_hmat<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<Hmat<'a>> {
    find(tables, Signature::HMAT, size_of::<HmatHeader>(), findings).and_then(Hmat::new)
}

/// The machine's MSCT; as [`find_srat`].
pub fn find_msct<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<Msct<'a>> {
    find(tables, Signature::MSCT, size_of::<MsctHeader>(), findings).and_then(Msct::new)
}

/// The first table with this signature that holds `needed` bytes of header; those behind it are told of.
fn find<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    signature: Signature,
    needed: usize,
    findings: &mut dyn Findings,
) -> Option<&'a [u8]> {
    let mut found = None;
    for bytes in tables.into_iter().filter(|bytes| bytes.starts_with(&signature.0)) {
        if found.is_some() {
            findings.report(Finding::new(signature, 0, What::TableDuplicate));
        } else {
            found = checked(bytes, signature, needed, findings);
        }
    }
    found
}

/// The bytes that are the table's own; `None` when it cannot be read at all.
pub(crate) fn checked<'a>(
    bytes: &'a [u8],
    signature: Signature,
    needed: usize,
    findings: &mut dyn Findings,
) -> Option<&'a [u8]> {
    let mapped = bytes.len() as u64;
    // Bytes too few for a length are all there is.
    let length = SdtHeader::ref_from_prefix(bytes).map_or(mapped as u32, |(header, _)| header.length.get());
    let readable = mapped.min(u64::from(length));
    if readable < needed as u64 {
        let what = What::TableShort { length: readable, needed: needed as u32 };
        findings.report(Finding::new(signature, LENGTH_OFFSET, what));
        return None;
    }
    let Some(table) = bytes.get(..length as usize) else {
        findings.report(Finding::new(signature, LENGTH_OFFSET, What::TableCut { length, mapped }));
        return Some(bytes);
    };
    let sum = sum_of(table);
    if sum != 0 {
        findings.report(Finding::new(signature, CHECKSUM_OFFSET, What::TableChecksum { sum }));
    }
    Some(table)
}

/// What the bytes add up to; 0 where a checksum among them is right.
pub(crate) fn sum_of(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, &byte| sum.wrapping_add(byte))
}
