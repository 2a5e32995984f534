//! Reads tables from files of any content.
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use acpi_tables::wire::{Rsdp, SdtHeader};
use acpi_tables::{Finding, Findings, Signature, TableFault};
use zerocopy::FromBytes;

use super::acpidump;

/// The tables from which the topology is built.
const READ: [Signature; 5] =
    [Signature::SRAT, Signature::SLIT, Signature::MADT, Signature::HMAT, Signature::MSCT];

/// A table, or bytes that may be one.
pub struct Table {
    /// The file that contains it.
    pub file: PathBuf,
    /// The bytes of the file that belong to it.
    pub bytes: Vec<u8>,
    /// The name in its heading, if it had one.
    name: Option<Signature>,
}

/// Returns the tables of a file: those of an acpidump text, or raw tables one after another.
///
/// Writes a complaint about skipped parts.
pub fn read(file: &Path, bytes: Vec<u8>, complaints: &mut dyn Write) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut skip = |what: &dyn Display| {
        let _ = writeln!(complaints, "show: {}: {what} skipped", file.display());
    };
    let chunks: Vec<_> = match acpidump::read(&bytes) {
        Some(dump) => {
            if dump.stray_lines > 0 {
                skip(&format_args!("{} lines of bytes before the first heading are", dump.stray_lines));
            }
            dump.tables.into_iter().map(|(name, bytes)| (Some(name), bytes)).collect()
        }
        None => vec![(None, bytes)],
    };
    for (name, bytes) in chunks {
        let (parts, rest) = split(bytes);
        tables.extend(parts.into_iter().map(|bytes| Table { file: file.to_path_buf(), bytes, name }));
        if let (1.., Some(last)) = (rest.len(), tables.last()) {
            skip(&format_args!("{} bytes after the {} are", rest.len(), last.signature()));
        }
    }
    tables
}

/// Splits bytes into tables that follow each other, and the rest. The first table may be any bytes.
fn split(mut bytes: Vec<u8>) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut tables = Vec::new();
    loop {
        let rest = bytes.split_off(own_length(&bytes));
        tables.push(bytes);
        if !starts_table(&rest) {
            return (tables, rest);
        }
        bytes = rest;
    }
}

/// Returns the length in the first table's header, or the number of all bytes if the length is larger or invalid.
fn own_length(bytes: &[u8]) -> usize {
    let header = SdtHeader::ref_from_prefix(bytes).ok().filter(|_| starts_table(bytes));
    let length = header.map_or(0, |(header, _)| header.length.get() as usize);
    if (size_of::<SdtHeader>()..bytes.len()).contains(&length) { length } else { bytes.len() }
}

/// Returns true if the bytes may start with a table's header.
fn starts_table(bytes: &[u8]) -> bool {
    bytes.len() >= size_of::<SdtHeader>() && bytes.iter().take(4).all(is_letter)
}

/// Returns true if a signature may contain this byte. `ASF!` contains an exclamation mark.
const fn is_letter(byte: &u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'!')
}

impl Table {
    /// Returns the first four bytes. If there are fewer, returns the name in the heading, or pads the bytes with zeros.
    pub fn signature(&self) -> Signature {
        match (self.bytes.first_chunk(), self.name) {
            (Some(signature), _) => Signature(*signature),
            (None, Some(name)) => name,
            (None, None) => {
                let mut signature = [0; 4];
                signature.iter_mut().zip(&self.bytes).for_each(|(to, from)| *to = *from);
                Signature(signature)
            }
        }
    }

    /// Returns true if the topology does not use this table, or if it is no table.
    pub fn is_skipped(&self) -> bool {
        !READ.iter().any(|signature| self.bytes.starts_with(&signature.0))
    }

    /// Reports faults of a table that no reader will check.
    pub fn check(&self, findings: &mut dyn Findings) {
        let signature = self.signature();
        let (length, needed) = (self.bytes.len(), size_of::<SdtHeader>());
        // acpidump lists the root pointer among the tables. It has no table header.
        if !self.is_skipped() || self.bytes.starts_with(&Rsdp::SIGNATURE) {
            return;
        }
        if length < needed {
            let fault = TableFault::Short { length: length as u64, needed: needed as u32 };
            findings.report(Finding::new(signature, 0, fault));
        } else if !signature.0.iter().all(is_letter) {
            findings.report(Finding::new(signature, 0, TableFault::WithoutSignature));
        }
    }
}
