//! A latency or bandwidth as the topology keeps it: 32 bits, whose result does not depend on the order of the input.
use acpi_tables::{Direction, Matrix, MatrixValue, Quantity};

/// Bits of a value. The bits above contain its rank.
const VALUE_BITS: u32 = 30;
const VALUE_MASK: u32 = (1 << VALUE_BITS) - 1;
const UNSPECIFIED: u32 = 0;
const UNREACHABLE: u32 = VALUE_MASK;

/// The largest latency in picoseconds, and the largest bandwidth in MB/s, that a topology keeps.
pub const LARGEST_FIGURE: u32 = UNREACHABLE - 1;

/// A latency or a bandwidth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// Firmware gives no value.
    Unspecified,
    /// Firmware says that the memory is unreachable.
    Unreachable,
    /// Picoseconds or MB/s, at most [`LARGEST_FIGURE`].
    Known(u32),
}

/// A figure with its rank. A lower rank has precedence.
///
/// A value for reads or writes alone precedes a value for both. A value for all accesses precedes a value for some.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored(u32);

/// The result of [`Stored::put`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The values do not contradict each other.
    Kept,
    /// The new value contradicts a value of the same rank.
    Conflict,
}

impl Stored {
    pub const UNSPECIFIED: Self = Self(UNSPECIFIED);

    /// Converts a matrix's value. Returns true with it if the value was too large and became [`LARGEST_FIGURE`].
    pub fn new(value: MatrixValue, matrix: &Matrix<'_>) -> (Self, bool) {
        let rank = u32::from(matrix.direction == Direction::Both) << 1 | u32::from(is_partial(matrix));
        let (value, too_large) = match value {
            // A missing value has no rank.
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

    /// Combines this value with another one for the same initiator and node. Of two values of one rank, the worse stays.
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

/// Returns true if the matrix holds only for some accesses, so that another matrix may differ without a contradiction.
pub const fn is_partial(matrix: &Matrix<'_>) -> bool {
    matrix.minimum_transfer_size.is_some() || matrix.non_sequential
}
