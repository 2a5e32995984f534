//! Mutations of a table's bytes.
use acpi_tables::builder::seal;
use arbitrary::Arbitrary;

/// Bytes at known bounds.
const BOUNDARY: [u8; 8] = [0, 1, 2, 7, 8, 0x7f, 0x80, 0xff];

/// Bytes of the signature. It is never changed, because no reader would read the table.
const SIGNATURE: usize = 4;

/// A change of a table's bytes. Positions are taken modulo the table's length.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Mutation {
    /// Flips one bit.
    FlipBit {
        /// The byte's position.
        at: u32,
        /// The bit's number.
        bit: u8,
    },
    /// Replaces one byte.
    SetByte {
        /// The byte's position.
        at: u32,
        /// The new value.
        value: u8,
    },
    /// Replaces one byte by a value at a known bound of lengths, counts and types.
    SetBoundary {
        /// The byte's position.
        at: u32,
        /// The index of the new value.
        value: u8,
    },
    /// Sets a wrong length in the table's header.
    SetLength {
        /// The difference to the correct length.
        off: i8,
        /// A length to use instead.
        otherwise: Option<u32>,
    },
    /// Truncates the table.
    Truncate {
        /// The number of bytes that remain.
        length: u32,
    },
    /// Replaces the rest of the table by a part of another table.
    Splice {
        /// The position at which this table ends.
        at: u32,
        /// The position at which the part of the other table starts.
        from: u32,
    },
    /// Appends a copy of some of the table's bytes.
    Repeat {
        /// The position of the first byte.
        at: u32,
        /// The number of bytes.
        count: u8,
    },
    /// Makes the length and the checksum correct, so that only earlier mutations remain.
    Seal,
}

impl Mutation {
    /// Applies the mutation to `table`. A splice takes bytes from `other`.
    ///
    /// The table grows to at most the length of both tables, or by at most 255 bytes.
    pub fn apply(self, table: &mut Vec<u8>, other: &[u8]) {
        let length = table.len();
        if length <= SIGNATURE {
            return;
        }
        let place = |at: u32| SIGNATURE + at as usize % (length - SIGNATURE);
        match self {
            Self::FlipBit { at, bit } => table[place(at)] ^= 1 << (bit % 8),
            Self::SetByte { at, value } => table[place(at)] = value,
            Self::SetBoundary { at, value } => {
                table[place(at)] = BOUNDARY[usize::from(value) % BOUNDARY.len()];
            }
            Self::SetLength { off, otherwise } => {
                let wrong = otherwise.unwrap_or((length as u32).wrapping_add_signed(off.into()));
                set_length(table, wrong);
            }
            Self::Truncate { length } => table.truncate(place(length)),
            Self::Splice { at, from } => {
                table.truncate(place(at));
                table.extend_from_slice(&other[from as usize % (other.len() + 1)..]);
            }
            Self::Repeat { at, count } => {
                let start = place(at);
                table.extend_from_within(start..length.min(start + usize::from(count)));
            }
            Self::Seal => {
                set_length(table, length as u32);
                seal(table);
            }
        }
    }
}

fn set_length(table: &mut [u8], length: u32) {
    if let Some(field) = table.get_mut(4..8) {
        field.copy_from_slice(&length.to_le_bytes());
    }
}
