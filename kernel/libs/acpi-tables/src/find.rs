//! Selects a table by its signature among all tables of the machine.
use crate::checksum::checked;
use crate::wire::{HmatHeader, MadtHeader, MsctHeader, SlitHeader, SratHeader};
use crate::{Finding, Findings, Hmat, Madt, Msct, Signature, Slit, Srat, TableFault};

/// Returns the machine's SRAT: the first one that can be read.
///
/// `tables` are the raw bytes of any tables. Each slice contains all bytes that can be read, whatever the table's header
/// says.
pub fn find_srat<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<Srat<'a>> {
    find(tables, Signature::SRAT, size_of::<SratHeader>(), findings).and_then(Srat::new)
}

/// Returns the machine's SLIT. See [`find_srat`] for `tables`.
pub fn find_slit<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<Slit<'a>> {
    find(tables, Signature::SLIT, size_of::<SlitHeader>(), findings)
        .and_then(|bytes| Slit::new(bytes, findings))
}

/// Returns the machine's MADT. See [`find_srat`] for `tables`.
pub fn find_madt<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<Madt<'a>> {
    find(tables, Signature::MADT, size_of::<MadtHeader>(), findings).and_then(Madt::new)
}

/// Returns the machine's HMAT. See [`find_srat`] for `tables`.
pub fn find_hmat<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<Hmat<'a>> {
    find(tables, Signature::HMAT, size_of::<HmatHeader>(), findings).and_then(Hmat::new)
}

/// Returns the machine's MSCT. See [`find_srat`] for `tables`.
pub fn find_msct<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    findings: &mut dyn Findings,
) -> Option<Msct<'a>> {
    find(tables, Signature::MSCT, size_of::<MsctHeader>(), findings).and_then(Msct::new)
}

/// Returns the first table with this signature that has `needed` bytes of header. Reports the tables after it as
/// duplicates.
pub(crate) fn find<'a>(
    tables: impl IntoIterator<Item = &'a [u8]>,
    signature: Signature,
    needed: usize,
    findings: &mut dyn Findings,
) -> Option<&'a [u8]> {
    let mut found = None;
    for bytes in tables.into_iter().filter(|bytes| bytes.starts_with(&signature.0)) {
        if found.is_some() {
            findings.report(Finding::new(signature, 0, TableFault::Duplicate));
        } else {
            found = checked(bytes, signature, needed, findings);
        }
    }
    found
}
