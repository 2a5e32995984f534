//! A key, and the rights that a CPU has with it.

/// The key of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(u8);

impl Key {
    /// The key of all pages that are not a driver's.
    pub const KERNEL: Self = Self(0);
    /// The key of the stacks on which the kernel calls drivers. Every driver may write them.
    pub const CALL_STACKS: Self = Self(15);
    /// The key of the drivers for which no key was left.
    pub const SHARED: Self = Self(14);
    /// The number of keys that one driver alone has.
    pub const OWN: u8 = 13;

    /// Returns the key with the lowest four bits of this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        Self(number & 15)
    }

    /// Returns the key's number, which is below 16.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// The value of the register IA32_PKRS: two bits for each key, of which the upper one forbids to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rights(u32);

impl Rights {
    /// The kernel may write everything.
    pub const KERNEL: Self = Self(0);
    /// Code that may write the stacks on which the kernel calls drivers, and nothing else.
    pub const NONE: Self = Self(0xaaaa_aaaa & !(2 << 30));

    /// Returns the rights of a driver with this key. Code of the kernel has those of [`Rights::KERNEL`].
    #[must_use]
    pub const fn of(key: Key) -> Self {
        if key.0 == 0 { Self::KERNEL } else { Self(Self::NONE.0 & !(2 << (2 * key.0))) }
    }

    /// Returns the rights with this register value.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns the register's value.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns true if pages with this key may be written.
    #[must_use]
    pub const fn allow(self, key: Key) -> bool {
        self.0 & 2 << (2 * key.0) == 0
    }

    /// Returns rights to write also what `other` may write.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}
