//! The atomics of this crate: the machine's, or in a model those of loom, which tries every interleaving and every value that a
//! load may see.
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, fence};
#[cfg(not(loom))]
pub use scheduling::WORDS;

#[cfg(loom)]
pub use loom::sync::atomic::fence;
#[cfg(loom)]
pub use modelled::{AtomicU32, AtomicU64, AtomicUsize};
/// A model has few CPUs. Each further word would only add steps to explore.
#[cfg(loom)]
pub const WORDS: usize = 1;

/// Creates a word for each 64 CPUs, all with `value`.
#[cfg(not(loom))]
pub const fn words(value: u64) -> [AtomicU64; WORDS] {
    let mut words = [const { AtomicU64::new(0) }; WORDS];
    let mut index = 0;
    while index < WORDS {
        words[index] = AtomicU64::new(value);
        index += 1;
    }
    words
}

/// Creates a word for each 64 CPUs, all with `value`.
#[cfg(loom)]
pub fn words(value: u64) -> [AtomicU64; WORDS] {
    core::array::from_fn(|_| AtomicU64::new(value))
}

/// Declares a constructor that is `const`, except in a model: loom's atomics cannot be made in a constant.
macro_rules! const_unless_modelled {
    ($(#[$meta:meta])* $visibility:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])*
        $visibility const fn $($rest)*

        #[cfg(loom)]
        $(#[$meta])*
        $visibility fn $($rest)*
    };
}
pub(crate) use const_unless_modelled;

#[cfg(loom)]
mod modelled {
    use core::sync::atomic::Ordering;

    /// Declares an atomic of which loom reorders every load.
    macro_rules! modelled {
        ($($name:ident: $value:ty),*) => {$(
            pub struct $name {
                value: loom::sync::atomic::$name,
                /// Written before each load of the value. loom tries both orders of two steps only if they touch the same
                /// object, one of them writes, and no step on that object lies between them. Without this, one thread's load
                /// would hide another's from the write that follows.
                turn: loom::sync::atomic::AtomicU64,
            }

            #[allow(dead_code)]
            impl $name {
                pub fn new(value: $value) -> Self {
                    Self { value: loom::sync::atomic::$name::new(value), turn: loom::sync::atomic::AtomicU64::new(0) }
                }

                pub fn load(&self, order: Ordering) -> $value {
                    self.turn.swap(0, Ordering::Relaxed);
                    self.value.load(order)
                }

                pub fn store(&self, value: $value, order: Ordering) {
                    self.value.store(value, order);
                }

                pub fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                    self.value.fetch_or(bits, order)
                }

                pub fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                    self.value.fetch_and(bits, order)
                }
            }
        )*};
    }
    modelled!(AtomicU32: u32, AtomicU64: u64, AtomicUsize: usize);
}
