//! A name as AML writes it: from the root, from a scope above, or from the scope around it (ACPI 6.5 §5.3).
use core::fmt::{self, Write};

use crate::path::{Path, Segment};
use crate::unreadable::Unreadable;

/// A name or a path in AML. Displays as ASL writes it: `\_SB.PCI0`, `^LNKA`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NameString<'a> {
    pub(crate) from_root: bool,
    /// The number of `^`, each of which leads one scope up.
    pub(crate) parents: usize,
    /// The names, of four bytes each.
    pub(crate) segments: &'a [u8],
}

impl<'a> NameString<'a> {
    /// Returns the names.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Segment> + 'a {
        self.segments.as_chunks().0.iter().map(|&segment| Segment(segment))
    }

    /// Returns the last name, or `None` if there is none.
    #[must_use]
    pub fn last(&self) -> Option<Segment> {
        self.segments().next_back()
    }

    /// Returns true for a single name without a path. AML looks for such a name in the scopes above, too.
    #[must_use]
    pub const fn is_simple(&self) -> bool {
        !self.from_root && self.parents == 0 && self.segments.len() == 4
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.segments().all(Segment::is_valid)
    }

    /// Returns the path that the name has in this scope.
    pub(crate) fn resolve(&self, scope: Path) -> Result<Path, Unreadable> {
        let mut path = if self.from_root { Path::ROOT } else { scope };
        // A path has at most MAX_SEGMENTS scopes above, so this loop is short for any number of `^`.
        for _ in 0..self.parents {
            path = path.parent().ok_or(Unreadable::AboveRoot)?;
        }
        for segment in self.segments() {
            path = path.join(segment).ok_or(Unreadable::PathLong)?;
        }
        Ok(path)
    }
}

impl fmt::Display for NameString<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from_root {
            out.write_char('\\')?;
        }
        (0..self.parents).try_for_each(|_| out.write_char('^'))?;
        for (index, segment) in self.segments().enumerate() {
            if index > 0 {
                out.write_char('.')?;
            }
            segment.fmt(out)?;
        }
        Ok(())
    }
}

impl fmt::Debug for NameString<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
