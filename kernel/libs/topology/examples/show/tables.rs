//! The tables of the files, whatever those hold.
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use acpi_tables::wire::{Rsdp, SdtHeader};
use acpi_tables::{Finding, Findings, Signature, What};
use zerocopy::FromBytes;

use super::acpidump;

/// The tables that the topology is made of.
const READ: [Signature; 5] =
    [Signature::SRAT, Signature::SLIT, Signature::MADT, Signature::HMAT, Signature::MSCT];

/// What may be a table.
pub struct Table {
    /// Where it comes from.
    pub file: PathBuf,
    /// What is there of it.
    pub bytes: Vec<u8>,
    /// What its heading calls it, if it had one.
    name: Option<Signature>,
}

/// The tables of a file: those of an acpidump text, else what the file holds, one after another. What is passed over of
/// it is complained of.
pub fn read(file: &Path, bytes: Vec<u8>, complaints: &mut dyn Write) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut pass_over = |what: &dyn Display| {
        let _ = writeln!(complaints, "show: {}: {what} passed over", file.display());
    };
    let chunks: Vec<_> = match acpidump::read(&bytes) {
        Some(dump) => {
            if dump.stray_lines > 0 {
                pass_over(&format_args!("{} lines of bytes before the first heading are", dump.stray_lines));
            }
            dump.tables.into_iter().map(|(name, bytes)| (Some(name), bytes)).collect()
        }
        None => vec![(None, bytes)],
    };
    for (name, bytes) in chunks {
        let (parts, rest) = split(bytes);
        tables.extend(parts.into_iter().map(|bytes| Table { file: file.to_path_buf(), bytes, name }));
        if let (1.., Some(last)) = (rest.len(), tables.last()) {
            pass_over(&format_args!("{} bytes behind the {} are", rest.len(), last.signature()));
        }
    }
    tables
}

/// The tables that follow each other in these bytes, the first one whatever it is, and what is behind them and no table.
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

/// How many of these bytes are the first table's by its header; all of them where it is longer, or no table.
fn own_length(bytes: &[u8]) -> usize {
    let header = SdtHeader::ref_from_prefix(bytes).ok().filter(|_| starts_table(bytes));
    let length = header.map_or(0, |(header, _)| header.length.get() as usize);
    if (size_of::<SdtHeader>()..bytes.len()).contains(&length) { length } else { bytes.len() }
}

/// Whether a table's header may be here.
fn starts_table(bytes: &[u8]) -> bool {
    bytes.len() >= size_of::<SdtHeader>() && bytes.iter().take(4).all(is_letter)
}

/// Whether a signature may have this byte; the last of them is for `ASF!`.
const fn is_letter(byte: &u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'!')
}

impl Table {
    /// The first four bytes; where there are fewer, the name in the heading, or else zeros in their place.
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

    /// Whether this is a table that says nothing of nodes, or no table at all.
    pub fn is_passed_over(&self) -> bool {
        !READ.iter().any(|signature| self.bytes.starts_with(&signature.0))
    }

    /// Says what is wrong with something that nobody else will look at.
    pub fn check(&self, findings: &mut dyn Findings) {
        let signature = self.signature();
        let (length, needed) = (self.bytes.len(), size_of::<SdtHeader>());
        // An acpidump has the root pointer among the tables, without a table's header.
        if !self.is_passed_over() || self.bytes.starts_with(&Rsdp::SIGNATURE) {
            return;
        }
        if length < needed {
            let what = What::TableShort { length: length as u64, needed: needed as u32 };
            findings.report(Finding::new(signature, 0, what));
        } else if !signature.0.iter().all(is_letter) {
            findings.report(Finding::new(signature, 0, What::TableWithoutSignature));
        }
    }
}
