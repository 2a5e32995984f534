//! Names and paths of objects in the ACPI namespace (ACPI 6.5 §5.3).
use core::fmt::{self, Write};

/// The highest number of names in a path. Real firmware has up to 10 or so.
pub const MAX_SEGMENTS: usize = 16;

/// A name of four characters: a letter or `_`, then letters, digits or `_` (ACPI 6.5 §20.2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Segment(pub [u8; 4]);

impl Segment {
    /// Returns true if a name may have these characters.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        let [first, rest @ ..] = self.0;
        if !is_lead(first) {
            return false;
        }
        let mut index = 0;
        while index < rest.len() {
            if !(is_lead(rest[index]) || rest[index].is_ascii_digit()) {
                return false;
            }
            index += 1;
        }
        true
    }
}

/// Returns true if a name may start with this character.
pub(crate) const fn is_lead(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'_')
}

impl fmt::Display for Segment {
    /// Writes the name without the `_` at its end that only fill it up, as `iasl` does.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.0.iter().rposition(|&byte| byte != b'_').unwrap_or(0) + 1;
        self.0.iter().take(used).try_for_each(|&byte| out.write_char(char::from(byte)))
    }
}

/// The path of an object from the root. Displays as `\_SB.PC00`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The names. Those from `length` on are zeros.
    segments: [Segment; MAX_SEGMENTS],
    length: u8,
}

impl Path {
    /// The root of the namespace.
    pub const ROOT: Self = Self { segments: [Segment([0; 4]); MAX_SEGMENTS], length: 0 };

    /// Returns the path of the object that `name` names in the scope of this path, or `None` if it has too many names.
    #[must_use]
    pub fn join(mut self, name: Segment) -> Option<Self> {
        *self.segments.get_mut(usize::from(self.length))? = name;
        self.length += 1;
        Some(self)
    }

    /// Returns the path of the scope that the object is in, or `None` for the root.
    #[must_use]
    pub fn parent(mut self) -> Option<Self> {
        self.length = self.length.checked_sub(1)?;
        *self.segments.get_mut(usize::from(self.length))? = Segment([0; 4]);
        Some(self)
    }

    /// Returns the object's own name, or `None` for the root.
    #[must_use]
    pub fn name(&self) -> Option<Segment> {
        self.segments().last().copied()
    }

    /// Returns the names from the root on.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        self.segments.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Returns true if the object lies below the object at `other`, at any depth.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.length > other.length && self.segments().starts_with(other.segments())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('\\')?;
        for (index, segment) in self.segments().iter().enumerate() {
            if index > 0 {
                out.write_char('.')?;
            }
            segment.fmt(out)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
