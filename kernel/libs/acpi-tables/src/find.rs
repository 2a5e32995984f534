//! Selects a table by its signature among all tables of the machine.
use crate::checksum::checked;
use crate::wire::{HmatHeader, MadtHeader, McfgHeader, MsctHeader, SlitHeader, SratHeader};
use crate::{Finding, Findings, Hmat, Madt, Mcfg, Msct, Signature, Slit, Srat, TableFault};

/// Returns the machine's SRAT: the first one without faults, or else the first one that can be read.
///
/// `tables` are the raw bytes of any tables. Each slice contains all bytes that can be read, whatever the table's header
/// says. An SRAT that lists no enabled CPU and no enabled memory also has a fault.
pub fn find_srat<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    findings: &mut dyn Findings,
) -> Option<Srat<'a>> {
    let read = |bytes, findings: &mut dyn Findings| {
        let srat = Srat::new(bytes)?;
        srat.entries(findings).any(|entry| entry.lists_something()).then_some(())?;
        srat.entries(findings).for_each(drop);
        Some(())
    };
    find(tables, Signature::SRAT, size_of::<SratHeader>(), &read, findings).and_then(Srat::new)
}

/// Returns the machine's SLIT. See [`find_srat`] for `tables` and for the choice among several.
pub fn find_slit<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    findings: &mut dyn Findings,
) -> Option<Slit<'a>> {
    let read = |bytes, findings: &mut dyn Findings| Slit::new(bytes, findings).map(drop);
    find(tables, Signature::SLIT, size_of::<SlitHeader>(), &read, findings)
        .and_then(|bytes| Slit::new(bytes, findings))
}

/// Returns the machine's MADT. See [`find_srat`] for `tables` and for the choice among several.
pub fn find_madt<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    findings: &mut dyn Findings,
) -> Option<Madt<'a>> {
    let read =
        |bytes, findings: &mut dyn Findings| Madt::new(bytes).map(|madt| madt.cpus(findings).for_each(drop));
    find(tables, Signature::MADT, size_of::<MadtHeader>(), &read, findings).and_then(Madt::new)
}

/// Returns the machine's HMAT. See [`find_srat`] for `tables` and for the choice among several.
pub fn find_hmat<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    findings: &mut dyn Findings,
) -> Option<Hmat<'a>> {
    let read = |bytes, findings: &mut dyn Findings| {
        Hmat::new(bytes).map(|hmat| hmat.entries(findings).for_each(drop))
    };
    find(tables, Signature::HMAT, size_of::<HmatHeader>(), &read, findings).and_then(Hmat::new)
}

/// Returns the machine's MCFG. See [`find_srat`] for `tables` and for the choice among several.
pub fn find_mcfg<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    findings: &mut dyn Findings,
) -> Option<Mcfg<'a>> {
    let read = |bytes, findings: &mut dyn Findings| {
        Mcfg::new(bytes).map(|mcfg| mcfg.ranges(findings).for_each(drop))
    };
    find(tables, Signature::MCFG, size_of::<McfgHeader>(), &read, findings).and_then(Mcfg::new)
}

/// Returns the machine's MSCT. See [`find_srat`] for `tables` and for the choice among several.
pub fn find_msct<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    findings: &mut dyn Findings,
) -> Option<Msct<'a>> {
    let read = |bytes, findings: &mut dyn Findings| {
        Msct::new(bytes).map(|msct| msct.domains(findings).for_each(drop))
    };
    find(tables, Signature::MSCT, size_of::<MsctHeader>(), &read, findings).and_then(Msct::new)
}

/// Reads a whole table and reports its faults. Returns `None` if the table says nothing.
type Read<'a, 'r> = &'r dyn Fn(&'a [u8], &mut dyn Findings) -> Option<()>;

/// Returns the bytes of the first table with this signature that has no fault, or else of the first that has `needed` bytes
/// of header. Reports the other tables with this signature as duplicates.
pub(crate) fn find<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    signature: Signature,
    needed: usize,
    read: Read<'a, '_>,
    findings: &mut dyn Findings,
) -> Option<&'a [u8]> {
    let tables = || tables.clone().into_iter().filter(|bytes| bytes.starts_with(&signature.0));
    let used = if tables().nth(1).is_some() { choose(tables(), signature, needed, read) } else { None };
    let mut found = None;
    for (index, bytes) in tables().enumerate() {
        let number = |index: usize| u32::try_from(index + 1).unwrap_or(u32::MAX);
        match used {
            Some(used)
                if used != index
                    && (found.is_some() || checked(bytes, signature, needed, &mut |_| {}).is_some()) =>
            {
                let fault = TableFault::Duplicate { used: number(used), other: number(index) };
                findings.report(Finding::new(signature, 0, fault));
            }
            _ => found = found.or(checked(bytes, signature, needed, findings)),
        }
    }
    found
}

/// Returns the index of the table to use, or `None` if none can be read.
fn choose<'a>(
    tables: impl Iterator<Item = &'a [u8]>,
    signature: Signature,
    needed: usize,
    read: Read<'a, '_>,
) -> Option<usize> {
    let mut readable = None;
    for (index, bytes) in tables.enumerate() {
        let mut is_sound = true;
        let mut note = |_: Finding| is_sound = false;
        let Some(table) = checked(bytes, signature, needed, &mut note) else { continue };
        let says_something = read(table, &mut note).is_some();
        if is_sound && says_something {
            return Some(index);
        }
        readable = readable.or(Some(index));
    }
    readable
}
