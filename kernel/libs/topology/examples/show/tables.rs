//! Reads tables from files of any content.
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;

use acpi_tables::wire::{Rsdp, SdtHeader};
use acpi_tables::{Finding, Findings, Signature, TableFault};
use zerocopy::FromBytes;

use super::acpidump::{self, DumpedTable};
use super::content::{Content, decode};
use super::source::{Source, error};

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

/// Returns the tables of a file: those of a text, or raw tables one after another. Writes a complaint about skipped parts.
///
/// # Errors
/// The file cannot be read, or contains no table.
pub fn read(source: Source, complaints: &mut dyn Write) -> io::Result<Vec<Table>> {
    let Source { file, bytes } = source;
    let mut tables = Vec::new();
    let mut complain = |what: &dyn Display| {
        let _ = writeln!(complaints, "show: {}: {what}", file.display());
    };
    let chunks: Vec<_> = match decode(bytes?)? {
        Content::Text(text) => dumped(&text, &mut complain)?,
        Content::Bytes(bytes) => vec![(None, bytes)],
    };
    for (name, bytes) in chunks {
        let (parts, rest) = split(bytes);
        tables.extend(parts.into_iter().map(|bytes| Table { file: file.clone(), bytes, name }));
        if let (1.., Some(last)) = (rest.len(), tables.last()) {
            complain(&format_args!("{} bytes after the {} are skipped", rest.len(), last.signature()));
        }
    }
    if tables.iter().any(|table| starts_table(&table.bytes) || table.is_root_pointer()) {
        Ok(tables)
    } else {
        Err(error("it contains no ACPI table"))
    }
}

/// Returns the names and bytes of a text's tables.
fn dumped(
    text: &str,
    complain: &mut dyn FnMut(&dyn Display),
) -> io::Result<Vec<(Option<Signature>, Vec<u8>)>> {
    let dump = acpidump::read(text)
        .ok_or_else(|| error("it is text, but neither the output of acpidump nor a listing of iasl -d"))?;
    if dump.stray_lines > 0 {
        let lines = dump.stray_lines;
        complain(&format_args!("{lines} lines of bytes before the first heading are skipped"));
    }
    let mut chunks = Vec::new();
    for DumpedTable { name, bytes, lines_after_gap } in dump.tables {
        if lines_after_gap > 0 {
            let signature = bytes.first_chunk().map(|&found| Signature(found)).or(name);
            let of = signature.map_or_else(String::new, |signature| format!(" of the {signature}"));
            let at = bytes.len();
            complain(&format_args!(
                "the line at {at:#x}{of} is missing or out of order; {lines_after_gap} lines after it are skipped"
            ));
        }
        chunks.push((name, bytes));
    }
    Ok(chunks)
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

    /// Returns true if the table contains AML, from which the host bridges are read.
    pub fn is_aml(&self) -> bool {
        [Signature::DSDT, Signature::SSDT].contains(&self.signature())
    }

    /// Returns true for the root pointer. acpidump lists it among the tables, but it has no table header.
    fn is_root_pointer(&self) -> bool {
        self.bytes.starts_with(&Rsdp::SIGNATURE)
    }

    /// Reports faults of a table that no reader will check.
    pub fn check(&self, findings: &mut dyn Findings) {
        let signature = self.signature();
        let (length, needed) = (self.bytes.len(), size_of::<SdtHeader>());
        if !self.is_skipped() || self.is_root_pointer() {
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
