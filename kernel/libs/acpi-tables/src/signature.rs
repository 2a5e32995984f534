//! The four letters that identify a table.
use core::fmt::{self, Write};

/// A table's signature, the first four bytes of its header (ACPI 6.5 §5.2.6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Signature(pub [u8; 4]);

impl Signature {
    /// System Resource Affinity Table: the proximity domains of CPUs and memory (§5.2.16).
    pub const SRAT: Self = Self(*b"SRAT");
    /// System Locality Information Table: distances between proximity domains (§5.2.17).
    pub const SLIT: Self = Self(*b"SLIT");
    /// Multiple APIC Description Table: the CPUs (§5.2.12).
    pub const MADT: Self = Self(*b"APIC");
    /// Heterogeneous Memory Attribute Table: latency and bandwidth between proximity domains (§5.2.28).
    pub const HMAT: Self = Self(*b"HMAT");
    /// Maximum System Characteristics Table: the highest numbers of domains and addresses (§5.2.19).
    pub const MSCT: Self = Self(*b"MSCT");
    /// Fixed ACPI Description Table: among others, the PM timer (§5.2.9).
    pub const FADT: Self = Self(*b"FACP");
    /// IA-PC High Precision Event Timer Table: the registers of an HPET (IA-PC HPET 1.0a §3.2.4).
    pub const HPET: Self = Self(*b"HPET");
    /// DMA Remapping table: the I/O MMUs, and how firmware wants interrupts to be delivered (Intel VT-d 4.1 §8.1).
    pub const DMAR: Self = Self(*b"DMAR");
    /// Differentiated System Description Table: the AML of the machine (§5.2.11.1).
    pub const DSDT: Self = Self(*b"DSDT");
    /// Secondary System Description Table: more AML (§5.2.11.2).
    pub const SSDT: Self = Self(*b"SSDT");
    /// PCI Express memory-mapped configuration space table: where configuration space is mapped (PCI Firmware 3.3 §4.1.2).
    pub const MCFG: Self = Self(*b"MCFG");
    /// Root System Description Table: 32-bit addresses of tables (§5.2.7).
    pub const RSDT: Self = Self(*b"RSDT");
    /// Extended System Description Table: 64-bit addresses of tables (§5.2.8).
    pub const XSDT: Self = Self(*b"XSDT");
    /// Root System Description Pointer: the address of a root table (§5.2.5). In findings only: it is not a table, and
    /// its own signature has eight letters.
    pub const RSDP: Self = Self(*b"RSDP");
    /// The boot loader's memory map. In findings only: it is not a table of the firmware.
    pub const MEMORY_MAP: Self = Self(*b"MMAP");
}

impl fmt::Display for Signature {
    /// Writes the letters, with unprintable bytes as `\x1b`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in &self.0 {
            match byte {
                b' '..=b'~' => out.write_char(char::from(byte))?,
                _ => write!(out, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn bytes_that_are_not_text_are_escaped() {
        assert_eq!(Signature(*b"S\x1bA\xff").to_string(), "S\\x1bA\\xff");
        assert_eq!(Signature::MADT.to_string(), "APIC");
    }
}
