//! MADT: the machine's CPUs (ACPI 6.5 §5.2.12).
use core::iter;

use units::{ApicId, PhysAddr};
use zerocopy::FromBytes;

use crate::entry::{Entries, Entry};
use crate::wire::{
    MadtHeader, MadtInterruptSourceOverride, MadtIoApic, MadtLocalApic, MadtLocalApicAddressOverride,
    MadtLocalX2Apic, madt_entry_type,
};
use crate::{Finding, Findings, Signature};

/// A readable MADT, returned by [`find_madt`](crate::find_madt).
#[derive(Clone, Copy, Debug)]
pub struct Madt<'a> {
    bytes: &'a [u8],
    local_apic_address: u32,
}

/// One CPU of the MADT, which may be absent (ACPI 6.5 §5.2.12.2 and §5.2.12.12).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MadtCpu {
    /// The id of the CPU's local APIC.
    pub apic_id: ApicId,
    /// The CPU's id in the ACPI namespace.
    pub acpi_processor_uid: u32,
    /// True if the CPU is present and may be started.
    pub enabled: bool,
    /// True if a CPU that is not enabled may be added later.
    pub online_capable: bool,
    /// True for an entry of type 9, which has a 32-bit APIC id.
    pub x2apic: bool,
    /// Bytes from the table's start to the entry.
    pub offset: u32,
}

impl MadtCpu {
    /// Returns true if the APIC id is the broadcast id of its entry's type (Intel SDM vol. 3 §11.6.1 and §11.12.9).
    #[must_use]
    pub const fn is_broadcast(&self) -> bool {
        self.apic_id.0 == if self.x2apic { u32::MAX } else { 0xff }
    }
}

/// An I/O APIC, as the table lists it (ACPI 6.5 §5.2.12.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoApicEntry {
    /// The physical address of its registers.
    pub address: PhysAddr,
    /// The global system interrupt of its first input.
    pub first_interrupt: u32,
}

/// The line that an interrupt of the ISA bus arrives at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IsaLine {
    /// The global system interrupt.
    pub interrupt: u32,
    /// True if the line interrupts while it is low. Else it does while it is high.
    pub is_low: bool,
    /// True if the line interrupts as long as it has that level. Else it interrupts once, when it gets it.
    pub is_level: bool,
}

impl<'a> Madt<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = MadtHeader::ref_from_prefix(bytes).ok()?;
        Some(Self { bytes, local_apic_address: header.local_apic_address.get() })
    }

    /// Returns the physical address of the local APICs: the last override's, or else the header's (§5.2.12.8).
    #[must_use]
    pub fn local_apic_address(&self) -> PhysAddr {
        let mut ignore = |_: Finding| {};
        let mut entries = self.all_entries();
        let mut address = u64::from(self.local_apic_address);
        while let Some(entry) = entries.next(&mut ignore) {
            if entry.kind_byte() == madt_entry_type::LOCAL_APIC_ADDRESS_OVERRIDE
                && let Some(found) = entry.read::<MadtLocalApicAddressOverride>(&mut ignore)
            {
                address = found.local_apic_address.get();
            }
        }
        PhysAddr(address)
    }

    /// Iterates over the I/O APICs, in the table's order (§5.2.12.3). Reports nothing: [`Madt::cpus`] reports faults of all entries.
    pub fn io_apics(&self) -> impl Iterator<Item = IoApicEntry> {
        let mut entries = self.all_entries();
        let mut ignore = |_: Finding| {};
        iter::from_fn(move || {
            loop {
                let entry = entries.next(&mut ignore)?;
                if entry.kind_byte() == madt_entry_type::IO_APIC
                    && let Some(found) = entry.read::<MadtIoApic>(&mut ignore)
                {
                    let address = PhysAddr(found.address.get().into());
                    return Some(IoApicEntry { address, first_interrupt: found.first_interrupt.get() });
                }
            }
        })
    }

    /// Returns the line of an interrupt of the ISA bus: that of its first override (§5.2.12.5), or else the one of its number, which
    /// interrupts when it becomes high. Reports nothing, as [`Madt::io_apics`].
    #[must_use]
    pub fn isa_line(&self, irq: u8) -> IsaLine {
        let mut entries = self.all_entries();
        let mut ignore = |_: Finding| {};
        while let Some(entry) = entries.next(&mut ignore) {
            if entry.kind_byte() == madt_entry_type::INTERRUPT_SOURCE_OVERRIDE
                && let Some(found) = entry.read::<MadtInterruptSourceOverride>(&mut ignore)
                && (found.bus, found.source) == (0, irq)
            {
                let flags = found.flags.get();
                return IsaLine {
                    interrupt: found.interrupt.get(),
                    is_low: flags & MadtInterruptSourceOverride::POLARITY
                        == MadtInterruptSourceOverride::POLARITY,
                    is_level: flags & MadtInterruptSourceOverride::TRIGGER
                        == MadtInterruptSourceOverride::TRIGGER,
                };
            }
        }
        IsaLine { interrupt: irq.into(), is_low: false, is_level: false }
    }

    /// Returns the number of Arm CPUs (type 11), which this kernel does not know.
    #[must_use]
    pub fn arm_cpus(&self) -> usize {
        let mut entries = self.all_entries();
        let entries = iter::from_fn(|| entries.next(&mut |_: Finding| {}));
        entries.filter(|entry| entry.kind_byte() == madt_entry_type::GICC).count()
    }

    /// Returns true if the table lists CPUs as local APICs: an entry of type 0 is enabled and its id is no broadcast id.
    #[must_use]
    pub fn has_local_apics(&self) -> bool {
        let mut ignore = |_: Finding| {};
        self.cpus(&mut ignore).any(|cpu| cpu.enabled && !cpu.x2apic && !cpu.is_broadcast())
    }

    /// Iterates over the CPUs in the table's order, enabled or not, and reports faults on the way.
    pub fn cpus(&self, findings: &mut dyn Findings) -> impl Iterator<Item = MadtCpu> {
        let mut reader = self.reader();
        iter::from_fn(move || reader.next(findings))
    }

    /// Returns a reader of the CPUs, for a caller that reports findings of its own between them.
    #[must_use]
    pub fn reader(&self) -> MadtReader<'a> {
        MadtReader { entries: self.all_entries() }
    }

    fn all_entries(&self) -> Entries<'a> {
        Entries::new(Signature::MADT, self.bytes, size_of::<MadtHeader>(), fixed_size)
    }
}

/// Returns the specified size of an entry, for the types that x86 machines have.
const fn fixed_size(kind: u16) -> Option<usize> {
    Some(match kind as u8 {
        madt_entry_type::LOCAL_APIC => size_of::<MadtLocalApic>(),
        madt_entry_type::IO_APIC => size_of::<MadtIoApic>(),
        madt_entry_type::INTERRUPT_SOURCE_OVERRIDE => size_of::<MadtInterruptSourceOverride>(),
        madt_entry_type::NMI_SOURCE => 8,
        madt_entry_type::LOCAL_APIC_NMI => 6,
        madt_entry_type::LOCAL_APIC_ADDRESS_OVERRIDE => size_of::<MadtLocalApicAddressOverride>(),
        madt_entry_type::LOCAL_X2APIC => size_of::<MadtLocalX2Apic>(),
        madt_entry_type::LOCAL_X2APIC_NMI => 12,
        _ => return None,
    })
}

/// A reader of a MADT's CPUs, returned by [`Madt::reader`].
#[derive(Clone, Debug)]
pub struct MadtReader<'a> {
    entries: Entries<'a>,
}

impl MadtReader<'_> {
    /// Returns the next readable CPU, or `None` at the table's end.
    pub fn next(&mut self, findings: &mut dyn Findings) -> Option<MadtCpu> {
        while let Some(entry) = self.entries.next(findings) {
            let cpu = match entry.kind_byte() {
                madt_entry_type::LOCAL_APIC => local_apic(entry, findings),
                madt_entry_type::LOCAL_X2APIC => local_x2apic(entry, findings),
                _ => None,
            };
            if cpu.is_some() {
                return cpu;
            }
        }
        None
    }
}

fn local_apic(entry: Entry<'_>, findings: &mut dyn Findings) -> Option<MadtCpu> {
    let cpu: &MadtLocalApic = entry.read(findings)?;
    Some(MadtCpu {
        apic_id: ApicId(cpu.apic_id.into()),
        acpi_processor_uid: cpu.acpi_processor_uid.into(),
        enabled: cpu.flags.get() & MadtLocalApic::ENABLED != 0,
        online_capable: cpu.flags.get() & MadtLocalApic::ONLINE_CAPABLE != 0,
        x2apic: false,
        offset: entry.offset,
    })
}

fn local_x2apic(entry: Entry<'_>, findings: &mut dyn Findings) -> Option<MadtCpu> {
    let cpu: &MadtLocalX2Apic = entry.read(findings)?;
    Some(MadtCpu {
        apic_id: ApicId(cpu.x2apic_id.get()),
        acpi_processor_uid: cpu.acpi_processor_uid.get(),
        enabled: cpu.flags.get() & MadtLocalApic::ENABLED != 0,
        online_capable: cpu.flags.get() & MadtLocalApic::ONLINE_CAPABLE != 0,
        x2apic: true,
        offset: entry.offset,
    })
}
