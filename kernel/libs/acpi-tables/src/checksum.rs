//! Checks the length and the checksum of a table.
use zerocopy::FromBytes;

use crate::wire::SdtHeader;
use crate::{Finding, Findings, Signature, TableFault};

/// The offset of a table's length (ACPI 6.5 §5.2.6).
const LENGTH_OFFSET: u32 = 4;
/// The offset of a table's checksum (ACPI 6.5 §5.2.6).
const CHECKSUM_OFFSET: u32 = 9;

/// Returns the bytes that belong to the table, or `None` if it has fewer than the `needed` bytes of its header.
///
/// `bytes` are all bytes that can be read at the table's address.
pub(crate) fn checked<'a>(
    bytes: &'a [u8],
    signature: Signature,
    needed: usize,
    findings: &mut dyn Findings,
) -> Option<&'a [u8]> {
    let mapped = bytes.len() as u64;
    // Without a whole header there is no length, so the table is as long as its bytes.
    let length = SdtHeader::ref_from_prefix(bytes).map_or(mapped as u32, |(header, _)| header.length.get());
    let readable = mapped.min(u64::from(length));
    if readable < needed as u64 {
        let fault = TableFault::Short { length: readable, needed: needed as u32 };
        findings.report(Finding::new(signature, LENGTH_OFFSET, fault));
        return None;
    }
    let Some(table) = bytes.get(..length as usize) else {
        findings.report(Finding::new(signature, LENGTH_OFFSET, TableFault::Cut { length, mapped }));
        return Some(bytes);
    };
    let sum = sum_of(table);
    if sum != 0 {
        findings.report(Finding::new(signature, CHECKSUM_OFFSET, TableFault::Checksum { sum }));
    }
    Some(table)
}

/// Returns the bytes that [`checked`] returns, and checks and reports nothing.
pub(crate) fn readable(bytes: &[u8], needed: usize) -> Option<&[u8]> {
    let length =
        SdtHeader::ref_from_prefix(bytes).map_or(bytes.len(), |(header, _)| header.length.get() as usize);
    Some(bytes.get(..length).unwrap_or(bytes)).filter(|table| table.len() >= needed)
}

/// Returns the sum of all bytes, which is 0 if a checksum among them is right.
pub(crate) fn sum_of(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, &byte| sum.wrapping_add(byte))
}
