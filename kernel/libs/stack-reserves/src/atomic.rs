//! The atomics of the reserves: the machine's, or in a model those of loom, which tries out every interleaving and every
//! value that a load may see.
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};

/// Declares a constructor: `const`, but for models, as loom's atomics have no constant constructors.
macro_rules! constructor {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident() -> Self $body:block) => {
        #[cfg(not(loom))]
        $(#[$meta])*
        $visibility const fn $name() -> Self $body

        #[cfg(loom)]
        $(#[$meta])*
        $visibility fn $name() -> Self $body
    };
}
pub(crate) use constructor;
