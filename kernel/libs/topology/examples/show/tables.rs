//! The tables of the files, whatever those hold.
use std::path::{Path, PathBuf};

use acpi_tables::wire::{Rsdp, SdtHeader};
use acpi_tables::{Finding, Findings, Signature, What};

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
}

/// The tables of a file: those of an acpidump text, else the file itself.
pub fn read(file: &Path, bytes: Vec<u8>) -> Vec<Table> {
    let tables = acpidump::read(&bytes).unwrap_or_else(|| vec![bytes]);
    tables.into_iter().map(|bytes| Table { file: file.to_path_buf(), bytes }).collect()
}

impl Table {
    /// The first four bytes, zeros where there are fewer.
    pub fn signature(&self) -> Signature {
        let mut signature = [0; 4];
        signature.iter_mut().zip(&self.bytes).for_each(|(to, from)| *to = *from);
        Signature(signature)
    }

    /// Whether this is a table that says nothing of nodes, or no table at all.
    pub fn is_passed_over(&self) -> bool {
        !READ.contains(&self.signature())
    }

    /// Says what is wrong with something that nobody else will look at.
    pub fn check(&self, findings: &mut dyn Findings) {
        let signature = self.signature();
        let (length, needed) = (self.bytes.len(), size_of::<SdtHeader>());
        // The last of them is for `ASF!`.
        let is_letter = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'!');
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
