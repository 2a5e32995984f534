//! The SRAT's name for a device that reads and writes memory.
use core::fmt;

use crate::wire::SratGenericAffinity;

/// The identity of a device (ACPI 6.5 §5.2.16.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DeviceHandle {
    /// A device of the ACPI namespace.
    Acpi {
        /// The `_HID`, which is not always text.
        hid: [u8; 8],
        /// The `_UID`.
        uid: u32,
    },
    /// A PCI function.
    Pci {
        /// The segment group's number.
        segment: u16,
        /// The bus number.
        bus: u8,
        /// The device number, 0 to 31.
        device: u8,
        /// The function number, 0 to 7.
        function: u8,
    },
}

impl DeviceHandle {
    /// Decodes a handle, or returns `None` if its kind is unknown.
    pub(crate) fn read(kind: u8, bytes: [u8; 16]) -> Option<Self> {
        match (kind, bytes) {
            (SratGenericAffinity::ACPI_HANDLE, [hid @ .., a, b, c, d, _, _, _, _]) => {
                Some(Self::Acpi { hid, uid: u32::from_le_bytes([a, b, c, d]) })
            }
            (SratGenericAffinity::PCI_HANDLE, [a, b, bus, place, ..]) => Some(Self::Pci {
                segment: u16::from_le_bytes([a, b]),
                bus,
                device: place >> 3,
                function: place & 7,
            }),
            _ => None,
        }
    }
}

impl fmt::Display for DeviceHandle {
    /// Writes `PCI 0000:17:00.1` or `ACPI ACPI0016 (UID 3)`, with unprintable bytes of the `_HID` as `\x1b`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acpi { hid, uid } => write!(out, "ACPI {} (UID {uid})", hid.escape_ascii()),
            Self::Pci { segment, bus, device, function } => {
                write!(out, "PCI {segment:04x}:{bus:02x}:{device:02x}.{function}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_handle_is_displayed_in_its_bus_notation_with_unprintable_bytes_escaped() {
        let pci = DeviceHandle::Pci { segment: 1, bus: 0x17, device: 31, function: 7 };
        assert_eq!(pci.to_string(), "PCI 0001:17:1f.7");
        let acpi = DeviceHandle::Acpi { hid: *b"ACPI\x1b\0\xff6", uid: 3 };
        assert_eq!(acpi.to_string(), r"ACPI ACPI\x1b\x00\xff6 (UID 3)");
    }
}
