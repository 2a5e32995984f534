//! The class of a function, and its name (PCI Code and ID Assignment 1.16 §1).
use core::fmt;

use pci_types::device_type::DeviceType;

/// A class: base class × 65536 + subclass × 256 + programming interface. Displays as the words for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class(pub u32);

impl Class {
    const fn base(self) -> u8 {
        (self.0 >> 16) as u8
    }

    const fn subclass(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Returns true for a bridge from the CPUs to PCI.
    #[must_use]
    pub const fn is_host_bridge(self) -> bool {
        self.base() == 6 && self.subclass() == 0
    }

    /// Returns true for a function that the machine itself may need as firmware has set it up: a bridge, or a system peripheral, such as an
    /// interrupt controller or an IOMMU. The SD host controller counts as a peripheral, too, but is a device like any other.
    #[must_use]
    pub const fn is_part_of_machine(self) -> bool {
        self.base() == 6 || self.base() == 8 && self.subclass() != 5
    }

    /// Returns the words for the base class and the subclass, or else for the base class, or else `None`.
    fn name(self) -> Option<&'static str> {
        use DeviceType as Type;
        Some(match Type::from((self.base(), self.subclass())) {
            Type::LegacyVgaCompatible | Type::VgaCompatibleController => "VGA controller",
            Type::ScsiBusController => "SCSI controller",
            Type::IdeController => "IDE controller",
            Type::FloppyController => "floppy controller",
            Type::RaidController => "RAID controller",
            Type::AtaController => "ATA controller",
            Type::SataController => "SATA controller",
            Type::SasController => "SAS controller",
            Type::NvmeController => "NVMe controller",
            Type::UfsController => "UFS controller",
            Type::EthernetController => "Ethernet controller",
            Type::ThreeDController => "3D controller",
            Type::AudioDevice => "audio device",
            Type::RamController => "RAM controller",
            Type::FlashController => "flash controller",
            Type::HostBridge => "host bridge",
            Type::IsaBridge => "ISA bridge",
            Type::PciPciBridge | Type::SemiTransparentPciPciBridge => "PCI bridge",
            Type::CardBusBridge => "CardBus bridge",
            Type::SerialController | Type::MultiportSerialController => "serial controller",
            Type::ParallelPort => "parallel port",
            Type::Modem => "modem",
            Type::InterruptController => "interrupt controller",
            Type::DmaController => "DMA controller",
            Type::SystemTimer => "timer",
            Type::RtcController => "clock",
            Type::GenericPciHotPlugController => "hot-plug controller",
            Type::SdHostController => "SD host controller",
            Type::FirewireController => "FireWire controller",
            Type::UsbController => "USB controller",
            Type::FibreChannelController => "Fibre Channel controller",
            Type::SmBusController => "SMBus controller",
            Type::InfiniBandController => "InfiniBand controller",
            Type::IpmiController => "IPMI controller",
            Type::CanBusController => "CAN controller",
            Type::BluetoothController => "Bluetooth controller",
            Type::PerformanceCounter => "performance counters",
            _ => return self.base_name(),
        })
    }

    const fn base_name(self) -> Option<&'static str> {
        Some(match self.base() {
            0x01 => "storage controller",
            0x02 => "network controller",
            0x03 => "display controller",
            0x04 => "multimedia device",
            0x05 => "memory controller",
            0x06 => "bridge",
            0x07 => "communications controller",
            0x08 => "system device",
            0x09 => "input controller",
            0x0a => "docking station",
            0x0b => "processor",
            0x0c => "serial bus controller",
            0x0d => "wireless controller",
            0x0e => "intelligent controller",
            0x0f => "satellite controller",
            0x10 => "encryption controller",
            0x11 => "signal processing controller",
            0x12 => "accelerator",
            _ => return None,
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => out.write_str(name),
            None => write!(out, "device of class {:06x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_class_has_the_words_of_its_subclass_or_else_of_its_base_class() {
        let name = |class| Class(class).to_string();
        assert_eq!(name(0x01_08_02), "NVMe controller");
        assert_eq!(name(0x03_00_00), "VGA controller");
        assert_eq!(name(0x06_04_01), "PCI bridge");
        assert_eq!(name(0x06_0b_00), "bridge");
        assert_eq!(name(0x01_77_00), "storage controller");
        assert_eq!(name(0x00_ff_00), "device of class 00ff00");
        assert_eq!(name(0xff_00_00), "device of class ff0000");
    }

    #[test]
    fn bridges_and_system_peripherals_are_parts_of_the_machine_and_an_sd_host_controller_is_none() {
        let parts = [0x06_00_00, 0x06_04_00, 0x08_00_20, 0x08_02_00, 0x08_06_00, 0x08_80_00];
        assert!(parts.into_iter().all(|class| Class(class).is_part_of_machine()));
        let devices = [0x01_08_02, 0x02_00_00, 0x08_05_00, 0x08_05_01, 0x07_00_00];
        assert!(!devices.into_iter().any(|class| Class(class).is_part_of_machine()));
    }

    #[test]
    fn every_class_has_words() {
        for class in 0..1 << 16 {
            let name = Class(class << 8).to_string();
            assert!(!name.is_empty() && name.is_ascii() && !name.contains('\n'));
        }
    }
}
