//! Which keys drivers have.
use crate::Key;

/// What becomes of a key that a driver has given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GivenBack {
    /// No driver has it any more.
    Unused,
    /// Other drivers share it.
    Shared,
}

/// The keys that drivers have.
#[derive(Debug)]
pub struct KeyTable {
    /// Bit n is set if a driver has key n.
    taken: u16,
    /// How many drivers share [`Key::SHARED`].
    sharing: usize,
}

impl KeyTable {
    /// Returns a table in which no driver has a key.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self { taken: 0, sharing: 0 }
    }

    /// Takes a key for a driver: one of its own, or [`Key::SHARED`] if none is left.
    pub fn take(&mut self) -> Key {
        let free = (1..=Key::OWN).find(|number| self.taken & 1 << number == 0);
        match free {
            Some(number) => {
                self.taken |= 1 << number;
                Key::from_number(number)
            }
            None => {
                self.sharing += 1;
                Key::SHARED
            }
        }
    }

    /// Returns true if drivers share [`Key::SHARED`], more than one.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.sharing > 1
    }

    /// Takes back the key of a driver.
    pub fn give_back(&mut self, key: Key) -> GivenBack {
        if key == Key::SHARED {
            self.sharing = self.sharing.saturating_sub(1);
            return if self.sharing == 0 { GivenBack::Unused } else { GivenBack::Shared };
        }
        self.taken &= !(1 << key.number());
        GivenBack::Unused
    }
}
