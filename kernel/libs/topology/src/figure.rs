//! One number of the HMAT's as it is kept: 32 bits, and whatever order they come in, the same one stays.
use acpi_tables::{Direction, Matrix, MatrixValue, Quantity};

/// Bits of a value; those above hold its rank.
const VALUE_BITS: u32 = 30;
const VALUE_MASK: u32 = (1 << VALUE_BITS) - 1;
const UNSPECIFIED: u32 = 0;
const UNREACHABLE: u32 = VALUE_MASK;

/// The largest latency and bandwidth that are kept.
pub const LARGEST_FIGURE: u32 = UNREACHABLE - 1;

/// What is known of a latency or a bandwidth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// Firmware does not say.
    Unspecified,
    /// Firmware says that there is no way.
    Unreachable,
    /// Picoseconds or MB/s, at most [`LARGEST_FIGURE`].
    Known(u32),
}

/// A figure with its rank. The lower rank goes before the higher: what is said of reads or writes alone before what is said of
/// both, and what holds for all accesses before what holds for some.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored(u32);

/// What became of a value that was put where another one may have been.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Kept,
    /// It contradicts one of the same rank.
    Conflict,
}

impl Stored {
    pub const UNSPECIFIED: Self = Self(UNSPECIFIED);

    /// What a matrix says; and whether it said more than can be kept, which is the largest value then.
    pub fn new(value: MatrixValue, matrix: &Matrix<'_>) -> (Self, bool) {
        let rank = u32::from(matrix.direction == Direction::Both) << 1 | u32::from(is_partial(matrix));
        let (value, too_large) = match value {
            // Nothing is of no rank.
            MatrixValue::Unspecified => return (Self::UNSPECIFIED, false),
            MatrixValue::Unreachable => (UNREACHABLE, false),
            MatrixValue::Known(value) => match u32::try_from(value) {
                Ok(value) if value <= LARGEST_FIGURE => (value, false),
                _ => (LARGEST_FIGURE, true),
            },
        };
        (Self(rank << VALUE_BITS | value), too_large)
    }

    pub fn figure(self) -> Figure {
        match self.value() {
            UNSPECIFIED => Figure::Unspecified,
            UNREACHABLE => Figure::Unreachable,
            value => Figure::Known(value),
        }
    }

    /// Takes in another value for the same thing: of one rank, the worse stays.
    pub fn put(&mut self, new: Self, quantity: Quantity) -> Outcome {
        if new.value() == UNSPECIFIED || new == *self {
            return Outcome::Kept;
        }
        if self.value() == UNSPECIFIED || new.rank() < self.rank() {
            *self = new;
            return Outcome::Kept;
        }
        if new.rank() > self.rank() {
            return Outcome::Kept;
        }
        let badness = |stored: Self| match (quantity, stored.value()) {
            (_, UNREACHABLE) => u32::MAX,
            (Quantity::Latency, value) => value,
            (Quantity::Bandwidth, value) => UNREACHABLE - value,
        };
        if badness(new) > badness(*self) {
            *self = new;
        }
        Outcome::Conflict
    }

    const fn value(self) -> u32 {
        self.0 & VALUE_MASK
    }

    const fn rank(self) -> u32 {
        self.0 >> VALUE_BITS
    }
}

/// Whether the matrix holds for some accesses only, so that another one may well say otherwise.
pub const fn is_partial(matrix: &Matrix<'_>) -> bool {
    matrix.minimum_transfer_size.is_some() || matrix.non_sequential
}
