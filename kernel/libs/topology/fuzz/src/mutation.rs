//! What goes wrong with a table's bytes.
use acpi_tables::builder::seal;
use arbitrary::Arbitrary;

/// Bytes that bounds are known for.
const TELLING: [u8; 8] = [0, 1, 2, 7, 8, 0x7f, 0x80, 0xff];

/// The signature stays, or nobody would read the table.
const SIGNATURE: usize = 4;

/// A change of a table's bytes; places are taken modulo its length.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Mutation {
    /// One bit the other way.
    FlipBit {
        /// Which byte.
        at: u32,
        /// Which of its bits.
        bit: u8,
    },
    /// One byte that is another.
    SetByte {
        /// Which.
        at: u32,
        /// What it becomes.
        value: u8,
    },
    /// A byte out of those that bounds are known for: lengths, counts, types.
    SetTelling {
        /// Which.
        at: u32,
        /// Which of them it becomes.
        value: u8,
    },
    /// A length in the table's header, nearly or not at all right.
    SetLength {
        /// How far it is off.
        off: i8,
        /// In place of it.
        otherwise: Option<u32>,
    },
    /// The table ends early.
    Truncate {
        /// So many bytes are left.
        length: u32,
    },
    /// From here on it is another table.
    Splice {
        /// Where this one ends.
        at: u32,
        /// Where the other one starts.
        from: u32,
    },
    /// Some bytes again, behind themselves.
    Repeat {
        /// Where they start.
        at: u32,
        /// How many they are.
        count: u8,
    },
    /// Header and checksum are put right, so that only what was done before is wrong.
    Seal,
}

impl Mutation {
    /// Does this to `table`; `other` is what splices take from. Grows it to no more than both, or by 255 bytes.
    pub fn apply(self, table: &mut Vec<u8>, other: &[u8]) {
        let length = table.len();
        if length <= SIGNATURE {
            return;
        }
        let place = |at: u32| SIGNATURE + at as usize % (length - SIGNATURE);
        match self {
            Self::FlipBit { at, bit } => table[place(at)] ^= 1 << (bit % 8),
            Self::SetByte { at, value } => table[place(at)] = value,
            Self::SetTelling { at, value } => {
                table[place(at)] = TELLING[usize::from(value) % TELLING.len()];
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
