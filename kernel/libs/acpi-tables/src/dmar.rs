//! DMAR: whether firmware wants interrupts to be delivered in xAPIC mode (Intel VT-d 4.1 §8.1).
use zerocopy::FromBytes;

use crate::find::find;
use crate::wire::DmarHeader;
use crate::{Findings, Signature};

/// Returns true if the DMAR asks that the APICs stay in xAPIC mode: some boards break in x2APIC mode. See
/// [`find_srat`](crate::find_srat) for `tables` and for the choice among several.
pub fn opts_out_of_x2apic<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    findings: &mut dyn Findings,
) -> bool {
    find(tables, Signature::DMAR, size_of::<DmarHeader>(), &|_, _| Some(()), findings)
        .and_then(|bytes| DmarHeader::ref_from_prefix(bytes).ok())
        .is_some_and(|(dmar, _)| dmar.flags & DmarHeader::X2APIC_OPT_OUT != 0)
}
