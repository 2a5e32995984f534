//! What a run queue needs of the lock around it.
use core::ops::DerefMut;

/// A lock around a value.
pub trait Lock {
    /// The value.
    type Value;

    /// Holds the lock until dropped.
    type Guard<'a>: DerefMut<Target = Self::Value>
    where
        Self: 'a;

    /// Waits for the lock and takes it.
    fn lock(&self) -> Self::Guard<'_>;
}
