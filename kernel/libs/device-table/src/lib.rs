//! Reads the table of the devices that a driver wants, `Driver_Devices`, from the bytes of the driver's file.
//!
//! The bytes are not trusted: any bytes give a table or a [`TableError`].
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

use core::fmt;
use core::mem::{offset_of, size_of};

use abi::{DEVICE_ANY, DeviceMatch};
use pci::{Function, FunctionMatch};

#[cfg(test)]
mod tests;

/// The most elements of a table, without its end.
pub const MOST: usize = 1024;

/// Bytes of the part of an element that the kernel knows.
const KNOWN: usize = size_of::<DeviceMatch>();

/// Why a table is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableError {
    /// No element of size 0 is in the file's bytes.
    NoEnd,
    /// There are more than [`MOST`] elements.
    TooLong,
    /// An element is shorter than the kernel knows it, has an odd size, or another size than the first.
    Size {
        /// The element's index.
        index: usize,
        /// Its size.
        size: u32,
    },
    /// An element's flags, or the bytes behind the known part, are not zero.
    NotZero {
        /// The element's index.
        index: usize,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("its table Driver_Devices ")?;
        match self {
            Self::NoEnd => out.write_str("has no element of Size 0 at its end"),
            Self::TooLong => write!(out, "has more than {MOST} elements"),
            Self::Size { index, size } => write!(out, "has an element {index} of the impossible Size {size}"),
            Self::NotZero { index } => {
                write!(out, "has an element {index} with Flags or a tail that are not zero")
            }
        }
    }
}

/// A table that has passed all checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceTable<'a> {
    /// The elements, without the end.
    elements: &'a [u8],
    /// Bytes of an element.
    size: usize,
}

impl<'a> DeviceTable<'a> {
    /// Reads the table at the start of these bytes, of which later ones need not belong to it.
    ///
    /// # Errors
    /// [`TableError`], for the first element that is wrong.
    pub fn read(bytes: &'a [u8]) -> Result<Self, TableError> {
        let first = size_at(bytes).ok_or(TableError::NoEnd)?;
        let size = first as usize;
        for index in 0..=MOST {
            // Without elements the size is 0, and the end is at the start.
            let rest = index.checked_mul(size).and_then(|start| bytes.get(start..)).unwrap_or_default();
            let found = size_at(rest).ok_or(TableError::NoEnd)?;
            if found == 0 {
                return Ok(Self { elements: &bytes[..index * size], size });
            }
            if found != first || size < KNOWN || !size.is_multiple_of(align_of::<DeviceMatch>()) {
                return Err(TableError::Size { index, size: found });
            }
            let element = rest.get(..size).ok_or(TableError::NoEnd)?;
            let flags = u32_at(element, offset_of!(DeviceMatch, Flags));
            if flags != Some(0) || element[KNOWN..].iter().any(|&byte| byte != 0) {
                return Err(TableError::NotZero { index });
            }
        }
        Err(TableError::TooLong)
    }

    /// Iterates over what the elements want.
    pub fn matches(&self) -> impl Iterator<Item = FunctionMatch> + 'a {
        self.elements.chunks_exact(self.size.max(1)).filter_map(|element| match_of(&known(element)?))
    }

    /// Returns true if an element accepts the function.
    #[must_use]
    pub fn accepts(&self, function: &Function) -> bool {
        self.matches().any(|wanted| wanted.accepts(function))
    }
}

/// Returns what a driver wants; `None` if `Flags` is not zero. `Size` was checked.
#[must_use]
pub fn match_of(wanted: &DeviceMatch) -> Option<FunctionMatch> {
    let id = |id: u16| (id != DEVICE_ANY).then_some(id);
    (wanted.Flags == 0).then_some(FunctionMatch {
        vendor: id(wanted.Vendor),
        device: id(wanted.Device),
        subsystem_vendor: id(wanted.SubVendor),
        subsystem: id(wanted.SubDevice),
        class: wanted.Class,
        class_mask: wanted.ClassMask,
    })
}

/// Returns the known part of an element.
fn known(element: &[u8]) -> Option<DeviceMatch> {
    Some(DeviceMatch {
        Size: u32_at(element, offset_of!(DeviceMatch, Size))?,
        Flags: u32_at(element, offset_of!(DeviceMatch, Flags))?,
        Vendor: u16_at(element, offset_of!(DeviceMatch, Vendor))?,
        Device: u16_at(element, offset_of!(DeviceMatch, Device))?,
        SubVendor: u16_at(element, offset_of!(DeviceMatch, SubVendor))?,
        SubDevice: u16_at(element, offset_of!(DeviceMatch, SubDevice))?,
        Class: u32_at(element, offset_of!(DeviceMatch, Class))?,
        ClassMask: u32_at(element, offset_of!(DeviceMatch, ClassMask))?,
    })
}

fn size_at(bytes: &[u8]) -> Option<u32> {
    u32_at(bytes, offset_of!(DeviceMatch, Size))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}
