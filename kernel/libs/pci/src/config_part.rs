//! Parts of configuration space.

/// Bytes of a function's configuration space with extended capabilities (PCI Express 6.0 §7.2.2).
pub const EXTENDED_SIZE: u16 = 4096;

/// One, two or four bytes of configuration space, which do not cross a multiple of their number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfigPart {
    offset: u16,
    width: u8,
}

impl ConfigPart {
    /// Returns the part, or `None` if the width is neither, or if the offset is no multiple of it or beyond configuration space.
    #[must_use]
    pub const fn new(offset: u32, width: u32) -> Option<Self> {
        if !matches!(width, 1 | 2 | 4) || !offset.is_multiple_of(width) || offset >= EXTENDED_SIZE as u32 {
            return None;
        }
        Some(Self { offset: offset as u16, width: width as u8 })
    }

    /// Returns a byte below offset 4096.
    pub(crate) const fn byte(offset: u16) -> Self {
        Self { offset, width: 1 }
    }

    /// Returns two bytes from an even offset on, below 4096.
    pub(crate) const fn word(offset: u16) -> Self {
        Self { offset, width: 2 }
    }

    /// Returns a register, from a multiple of 4 below 4096 on.
    pub(crate) const fn register(offset: u16) -> Self {
        Self { offset, width: 4 }
    }

    /// Returns the first byte's offset.
    #[must_use]
    pub const fn offset(self) -> u16 {
        self.offset
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn width(self) -> u8 {
        self.width
    }

    /// Returns the part of its register, whose lowest byte becomes the value's.
    #[must_use]
    pub const fn of_register(self, register: u32) -> u32 {
        let value = register >> (8 * (self.offset % 4));
        value & u32::MAX >> (32 - 8 * self.width as u32)
    }

    /// Returns the offsets of the bytes.
    pub(crate) fn bytes(self) -> impl Iterator<Item = u16> {
        self.offset..self.offset + u16::from(self.width)
    }
}
