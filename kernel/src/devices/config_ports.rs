//! The configuration space of PCI through the ports 0xcf8 and 0xcfc (PCI 3.0 §3.2.2.3.2).
use crate::arch::{InterruptsOff, Port};
use crate::sync::{Rank, SpinLock};
use pci::{ABSENT, ConfigPart, ConfigSpace, PciAddress, SLOTS, is_present};

/// Bit of the address: the data port accesses configuration space.
const ENABLED: u32 = 1 << 31;
/// Bytes of a function that the ports reach.
const SIZE: u16 = 256;

/// The first port for the data.
const DATA: u16 = 0xcfc;

/// The port for the address, and the port for the data there.
struct AddressAndData {
    address: Port<u32>,
    data: Port<u32>,
}

/// The ports. The lock keeps the write of the address and the access to the data together. Interrupts are off meanwhile.
static PORTS: SpinLock<AddressAndData> = SpinLock::new(
    Rank::ConfigPorts,
    AddressAndData {
        // SAFETY: a write to this port chooses a register and does nothing else.
        address: unsafe { Port::new(0xcf8) },
        // SAFETY: only `ConfigPorts` uses the port. The lib `pci` writes to BARs while the function decodes nothing, and then restores them
        // and the command register. Drivers write no BAR (`KernelRegisters`). So no device comes to lie over memory.
        data: unsafe { Port::new(DATA) },
    },
);

/// The configuration space of segment 0, through the ports. It is given to the lib `pci`, and to this folder's files, which let drivers
/// write nothing that moves a BAR.
pub struct ConfigPorts(());

impl ConfigPorts {
    /// Returns the ports, or `None` if the machine has none: then the port of the address keeps nothing.
    pub fn find() -> Option<Self> {
        let ports = PORTS.lock();
        let before = ports.address.read();
        ports.address.write(ENABLED);
        let is_kept = ports.address.read() == ENABLED;
        ports.address.write(before);
        is_kept.then_some(Self(()))
    }
}

/// Returns what the port of the address takes for a register, or `None` if the ports do not reach it.
fn address(function: PciAddress, offset: u16) -> Option<u32> {
    let place = u32::from(function.bus()) << 16
        | u32::from(function.device()) << 11
        | u32::from(function.function()) << 8;
    (function.segment() == 0 && offset < SIZE).then_some(ENABLED | place | u32::from(offset & !3))
}

impl AddressAndData {
    fn read(&self, address: u32) -> u32 {
        self.address.write(address);
        self.data.read()
    }
}

impl ConfigSpace for ConfigPorts {
    fn has_extended_registers(&self) -> bool {
        false
    }

    fn without_interruption<T>(&self, work: impl FnOnce() -> T) -> T {
        let _off = InterruptsOff::new();
        work()
    }

    fn read(&self, function: PciAddress, offset: u16) -> u32 {
        address(function, offset).map_or(ABSENT, |address| PORTS.lock().read(address))
    }

    fn write(&self, function: PciAddress, offset: u16, value: u32) {
        if let Some(address) = address(function, offset) {
            let ports = PORTS.lock();
            ports.address.write(address);
            ports.data.write(value);
        }
    }

    fn write_part(&self, function: PciAddress, part: ConfigPart, value: u32) {
        let Some(address) = address(function, part.offset()) else { return };
        let port = DATA + part.offset() % 4;
        let ports = PORTS.lock();
        ports.address.write(address);
        match part.width() {
            // SAFETY: the port is a byte of the data port, and what is written moves no BAR, as for the whole port.
            1 => unsafe { Port::<u8>::new(port) }.write(value as u8),
            // SAFETY: the port is a half of the data port, and what is written moves no BAR, as for the whole port.
            2 => unsafe { Port::<u16>::new(port) }.write(value as u16),
            _ => ports.data.write(value),
        }
    }

    fn slots(&self, segment: u16, bus: u8) -> u32 {
        let Some(first) = address(PciAddress::new(segment, bus, 0, 0), 0) else { return 0 };
        let ports = PORTS.lock();
        let is_used = |slot: &u32| is_present(ports.read(first | slot << 11));
        (0..u32::from(SLOTS)).filter(is_used).fold(0, |slots, slot| slots | 1 << slot)
    }
}
