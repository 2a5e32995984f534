//! The registers by which a machine is switched off and reset, which the FADT describes (ACPI 6.5 §4.8.3.2, §4.8.3.6, §5.2.9).
use units::PhysAddr;
use zerocopy::FromBytes;

use crate::find::find;
use crate::wire::{FadtHeader, GenericAddress};
use crate::{Findings, Signature};

/// Where the reset register is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetPlace {
    /// An I/O port.
    Port(u16),
    /// Physical memory.
    Memory(PhysAddr),
    /// Configuration space of a function on bus 0 of segment 0: device, function, offset.
    Config(u8, u8, u8),
}

/// The reset register: a write of `value`, one byte, resets the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResetRegister {
    /// Where it is.
    pub place: ResetPlace,
    /// What is written to it.
    pub value: u8,
}

/// The registers by which a machine is switched off and reset.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PowerRegisters {
    /// The ports of the PM1 control registers, PM1a's and PM1b's, of 16 bits each. Machines without the second one are the rule.
    pub control: [Option<u16>; 2],
    /// The port that a byte is written to for the firmware to hand over these registers, and the byte. `None` if they always are the
    /// operating system's.
    pub enable: Option<(u16, u8)>,
    /// The reset register.
    pub reset: Option<ResetRegister>,
}

/// Offsets of fields of the FADT, most of them beyond revision 1 (ACPI 6.5 table 5.9).
const SMI_COMMAND: usize = 48;
const ACPI_ENABLE: usize = 52;
const CONTROL: [usize; 2] = [64, 68];
const CONTROL_LENGTH: usize = 89;
const RESET_REGISTER: usize = 116;
const RESET_VALUE: usize = 128;
const EXTENDED_CONTROL: [usize; 2] = [172, 184];

/// The address space of configuration registers of PCI (ACPI 6.5 §5.2.3.2).
const CONFIG: u8 = 2;

/// Returns the registers that the FADT describes. See [`find_srat`](crate::find_srat) for `tables`.
pub fn find_power_registers<'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    findings: &mut dyn Findings,
) -> PowerRegisters {
    let fadt = find(tables, Signature::FADT, size_of::<FadtHeader>(), &|_, _| Some(()), findings);
    fadt.and_then(power_registers).unwrap_or_default()
}

fn power_registers(fadt: &[u8]) -> Option<PowerRegisters> {
    let (header, _) = FadtHeader::ref_from_prefix(fadt).ok()?;
    let flags = header.flags.get();
    let reset = if flags & FadtHeader::HAS_RESET_REGISTER == 0 { None } else { reset_register(fadt) };
    if flags & FadtHeader::HARDWARE_REDUCED != 0 {
        return Some(PowerRegisters { reset, ..PowerRegisters::default() });
    }
    let has_control = *fadt.get(CONTROL_LENGTH)? >= 2;
    let control = [0, 1].map(|index| {
        let port = control_port(fadt, CONTROL[index], EXTENDED_CONTROL[index]);
        port.filter(|_| has_control)
    });
    let command = port_of(dword(fadt, SMI_COMMAND)?.into());
    let value = *fadt.get(ACPI_ENABLE)?;
    let enable = command.filter(|_| value != 0).map(|port| (port, value));
    Some(PowerRegisters { control, enable, reset })
}

/// Returns the port of a control register. The extended field replaces the other one, unless it is 0.
fn control_port(fadt: &[u8], narrow: usize, extended: usize) -> Option<u16> {
    match generic_address(fadt, extended).filter(|place| place.address.get() != 0) {
        Some(place) if place.address_space == GenericAddress::IO_PORT => port_of(place.address.get()),
        Some(_) => None,
        None => port_of(dword(fadt, narrow)?.into()),
    }
}

fn reset_register(fadt: &[u8]) -> Option<ResetRegister> {
    let register = generic_address(fadt, RESET_REGISTER)?;
    let value = *fadt.get(RESET_VALUE)?;
    let address = register.address.get();
    let place = match register.address_space {
        GenericAddress::IO_PORT => ResetPlace::Port(port_of(address)?),
        GenericAddress::MEMORY if address != 0 => ResetPlace::Memory(PhysAddr(address)),
        // The device, the function and the offset have 16 bits each.
        CONFIG => {
            let (device, function) = ((address >> 32) as u16, (address >> 16) as u16);
            let offset = u8::try_from(address as u16).ok()?;
            let is_there = address >> 48 == 0 && device < 32 && function < 8;
            is_there.then_some(ResetPlace::Config(device as u8, function as u8, offset))?
        }
        _ => return None,
    };
    Some(ResetRegister { place, value })
}

fn port_of(address: u64) -> Option<u16> {
    u16::try_from(address).ok().filter(|port| *port != 0)
}

fn dword(fadt: &[u8], offset: usize) -> Option<u32> {
    fadt.get(offset..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn generic_address(fadt: &[u8], offset: usize) -> Option<GenericAddress> {
    GenericAddress::read_from_prefix(fadt.get(offset..)?).ok().map(|(place, _)| place)
}
