//! Why a term cannot be read.

/// Why a term cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unreadable {
    /// The term goes past the end of the package around it.
    Cut,
    /// A byte starts no term.
    Opcode(u8),
    /// A name has characters that it may not have.
    Name,
    /// A length ends before the bytes that contain it.
    Length(u32),
    /// A name leads above the root.
    AboveRoot,
    /// A path has more than [`MAX_SEGMENTS`](crate::MAX_SEGMENTS) names.
    PathLong,
    /// Packages are nested more than [`MAX_NESTING`](crate::MAX_NESTING) deep.
    Nesting,
}
