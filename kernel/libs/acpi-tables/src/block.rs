//! Selects the tables that contain AML: the DSDT, and the SSDTs, which add to it (ACPI 6.5 §5.2.11).
use zerocopy::FromBytes;

use crate::checksum::{checked, readable};
use crate::find::find;
use crate::wire::SdtHeader;
use crate::{Findings, Signature};

/// The offset of the DSDT's 32-bit address in the FADT (ACPI 6.5 §5.2.9).
const DSDT_OFFSET: usize = 40;
/// The offset of the DSDT's 64-bit address in the FADT, which revision 2 added.
const EXTENDED_DSDT_OFFSET: usize = 140;

/// A table that contains AML.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DefinitionBlock<'a> {
    /// 0 for the DSDT, or the SSDT's number, counted from 1.
    pub number: u32,
    /// The table with its header. AML starts at [`DefinitionBlock::AML_OFFSET`].
    pub bytes: &'a [u8],
    /// The revision in the table's header. That of the DSDT decides how many bits all integers have: 32 below 2, 64 from 2.
    pub revision: u8,
}

impl<'a> DefinitionBlock<'a> {
    /// The offset of the first term.
    pub const AML_OFFSET: usize = size_of::<SdtHeader>();

    fn new(number: u32, bytes: &'a [u8]) -> Self {
        let revision = SdtHeader::ref_from_prefix(bytes).map_or(0, |(header, _)| header.revision);
        Self { number, bytes, revision }
    }

    /// Returns the table's signature.
    #[must_use]
    pub const fn signature(&self) -> Signature {
        if self.number == 0 { Signature::DSDT } else { Signature::SSDT }
    }
}

/// The definition blocks among a machine's tables.
#[derive(Clone, Debug)]
pub struct DefinitionBlocks<'a, T> {
    dsdt: Option<DefinitionBlock<'a>>,
    tables: T,
}

impl<'a, T: IntoIterator<Item = &'a [u8]> + Clone> DefinitionBlocks<'a, T> {
    /// Finds the DSDT and the SSDTs, and reports the faults of their headers. Other tables are skipped. See
    /// [`find_srat`](crate::find_srat) for `tables`.
    pub fn find(tables: T, findings: &mut dyn Findings) -> Self {
        let dsdt =
            find(tables.clone(), Signature::DSDT, DefinitionBlock::AML_OFFSET, &|_, _| Some(()), findings);
        for bytes in ssdts(tables.clone()) {
            checked(bytes, Signature::SSDT, DefinitionBlock::AML_OFFSET, findings);
        }
        Self { dsdt: dsdt.map(|bytes| DefinitionBlock::new(0, bytes)), tables }
    }

    /// Returns the DSDT.
    #[must_use]
    pub const fn dsdt(&self) -> Option<&DefinitionBlock<'a>> {
        self.dsdt.as_ref()
    }

    /// Returns the DSDT, then the SSDTs in the order of the tables.
    pub fn iter(&self) -> impl Iterator<Item = DefinitionBlock<'a>> + use<'a, T> {
        let ssdts = ssdts(self.tables.clone());
        let ssdts = ssdts.filter_map(|bytes| readable(bytes, DefinitionBlock::AML_OFFSET));
        let numbered = (1..).zip(ssdts).map(|(number, bytes)| DefinitionBlock::new(number, bytes));
        self.dsdt.into_iter().chain(numbered)
    }
}

fn ssdts<'a>(tables: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    tables.into_iter().filter(|bytes| bytes.starts_with(&Signature::SSDT.0))
}

/// Returns the DSDT's physical address, which only the FADT states, or `None` if there is no FADT or no address in it. See
/// [`find_srat`](crate::find_srat) for `tables`.
pub fn find_dsdt_address<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    findings: &mut dyn Findings,
) -> Option<u64> {
    let needed = DSDT_OFFSET + size_of::<u32>();
    let fadt = find(tables, Signature::FADT, needed, &|_, _| Some(()), findings)?;
    let extended = fadt.get(EXTENDED_DSDT_OFFSET..).and_then(|bytes| bytes.first_chunk());
    let narrow = fadt.get(DSDT_OFFSET..).and_then(|bytes| bytes.first_chunk());
    let extended = extended.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let narrow = narrow.map_or(0, |bytes| u32::from_le_bytes(*bytes).into());
    [extended, narrow].into_iter().find(|&address| address != 0)
}
