//! Hooks: functions of upper layers that lower layers call.
use spin::Once;

/// A function that an upper layer registers once, at boot, for a lower layer to call. `F` is a `fn` type.
pub struct Hook<F>(Once<F>);

impl<F: Copy> Hook<F> {
    /// Returns a hook without a function.
    pub const fn new() -> Self {
        Self(Once::new())
    }

    /// Registers the function.
    ///
    /// # Panics
    /// If one is registered already.
    pub fn set(&self, function: F) {
        let mut is_first = false;
        self.0.call_once(|| {
            is_first = true;
            function
        });
        assert!(is_first, "a hook takes one function, and no second");
    }

    /// Returns the function, or `None` before it is registered.
    #[inline]
    pub fn get(&self) -> Option<F> {
        self.0.get().copied()
    }
}
