//! Packages that a walk enters, and the scope that the names in them have (ACPI 6.5 §5.3).
use crate::name_string::NameString;
use crate::path::{Path, Segment};
use crate::unreadable::Unreadable;

/// The names that stand for scopes of the root wherever the scopes around them do not define them (ACPI 6.5 §5.3.1).
const PREDEFINED: [Segment; 5] =
    [Segment(*b"_SB_"), Segment(*b"_GPE"), Segment(*b"_PR_"), Segment(*b"_SI_"), Segment(*b"_TZ_")];

/// A package that the walk is inside of.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    /// The offset after the package.
    pub end: usize,
    /// The scope of the names in the package.
    pub scope: Path,
    /// True if the scope is that of a processor, a power resource or a thermal zone, so that its objects are no device's.
    pub is_other: bool,
    /// True if a condition decides whether names here are defined, given that the scope's object exists.
    pub is_conditional: bool,
    /// True if any condition stands around this package.
    pub in_condition: bool,
}

/// The kinds of packages that the walk enters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scope,
    Device,
    /// A package with a name of its own, and as many bytes after it.
    Named(usize),
    Condition,
}

/// Returns true if an object of this path is known.
pub(crate) type Known<'k> = &'k dyn Fn(&Path) -> bool;

/// Returns the path that `Scope` names: a single name may be that of an object in any scope around.
pub(crate) fn scope_of(name: NameString<'_>, around: Path, known: Known<'_>) -> Result<Path, Unreadable> {
    let here = name.resolve(around)?;
    let Some(single) = name.last().filter(|_| name.is_simple()) else { return Ok(here) };
    let mut scope = Some(around);
    while let Some(outer) = scope {
        if let Some(path) = outer.join(single).filter(known) {
            return Ok(path);
        }
        scope = outer.parent();
    }
    if PREDEFINED.contains(&single) { Path::ROOT.join(single).ok_or(Unreadable::PathLong) } else { Ok(here) }
}
