//! The object `\_S5`, which says how the machine is switched off (ACPI 6.5 §7.4.2, §16.1.6).
use acpi_tables::{DefinitionBlock, Signature};

use crate::value::{Element, Value};
use crate::walk::{Term, Walk};

/// The highest sleep type: the registers have 3 bits for it.
const HIGHEST: u64 = 7;

/// The sleep types that switch the machine off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SoftOff {
    /// What is written to the control register PM1a.
    pub type_a: u8,
    /// What is written to PM1b.
    pub type_b: u8,
}

impl SoftOff {
    /// Returns the sleep types of this package, or `None` if the value is something else. The second one is 0 if the package lacks it.
    fn of(value: &Value<'_>) -> Option<Self> {
        let Value::Package(package) = value else { return None };
        let mut types = package.elements().map(|element| match element {
            Element::Value(Value::Integer(number)) if number <= HIGHEST => Some(number as u8),
            _ => None,
        });
        Some(Self { type_a: types.next()??, type_b: types.next().unwrap_or(Some(0))? })
    }
}

/// Returns the sleep types that switch the machine off, if AML states them as constants. `tables` are the raw bytes of any tables.
///
/// Of several objects the first one counts, also if a condition stands around it. Only terms of the root are looked at, so most of each
/// table is skipped. Faults are not reported, and checksums not compared: [`read_host_bridges`](crate::read_host_bridges) does that.
pub fn read_soft_off<'a>(tables: impl IntoIterator<Item = &'a [u8]> + Clone) -> Option<SoftOff> {
    let with = |signature: Signature| {
        tables.clone().into_iter().filter(move |bytes| bytes.starts_with(&signature.0))
    };
    with(Signature::DSDT).chain(with(Signature::SSDT)).find_map(|bytes| {
        // Sleep types are small, so the size of integers, which the revision says, does not matter.
        let mut walk = Walk::of_root(DefinitionBlock { number: 0, bytes, revision: 2 });
        core::iter::from_fn(|| walk.next(&|_| false, &mut |_| {})).find_map(|term| match term {
            Term::SoftOff { value } => SoftOff::of(&value),
            _ => None,
        })
    })
}
