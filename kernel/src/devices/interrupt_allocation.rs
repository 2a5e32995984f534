//! Allocates a device's interrupts for its driver, of the best kind that the device has enough of, and takes them back.
use super::device_registry::Device;
use super::interrupt_state::{Granted, InterruptKind};
use super::message_table::MessageTable;
use super::{
    config_access, interrupt_attach, interrupt_cpus, interrupt_lines, interrupt_registers, interrupt_routes,
};
use crate::arch::LineTrigger;
use crate::cpu::device_vectors;
use crate::threads::owner::Owner;
use core::fmt;
use pci::{ConfigSpace, command};

/// The kinds that a driver accepts, as bits.
#[derive(Clone, Copy)]
pub struct Kinds {
    /// MSI-X.
    pub msi_x: bool,
    /// MSI.
    pub msi: bool,
    /// INTx.
    pub line: bool,
}

/// Why a kind of interrupts cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unavailable {
    /// The device does not have it.
    NoCapability,
    /// The device does not decode its memory, where the table is.
    MemoryOff,
    /// The table cannot be mapped.
    NoTable,
    /// It has fewer interrupts than the driver needs.
    TooFew,
    /// The device does not keep what is written.
    NotKept,
    /// The device asks for no pin.
    NoPin,
    /// It is not known to which line the pin leads.
    NoRoute(interrupt_routes::NoRoute),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoCapability => "the device does not have it",
            Self::MemoryOff => "the device's memory is not enabled",
            Self::NoTable => "its table cannot be mapped",
            Self::TooFew => "it has fewer interrupts",
            Self::NotKept => "the device does not keep its settings",
            Self::NoPin => "the device has no pin",
            Self::NoRoute(why) => return why.fmt(out),
        })
    }
}

/// A kind that a device has, and how many interrupts of it.
type Offer = (InterruptKind, usize);

/// Allocates between `least` and `most` interrupts of the best kind that gives as many. Returns their number, or `None`, and changes
/// nothing, if the driver does not own the device, if the device has some already, or if none of the kinds gives `least`. The
/// log has the reason for each kind.
pub fn allocate(
    device: &'static Device,
    owner: &'static Owner,
    least: usize,
    most: usize,
    kinds: Kinds,
) -> Option<usize> {
    let _changes = device.changes.lock();
    let config = config_access::get()?;
    if !device.is_of(owner) || device.interrupts.granted.lock().is_some() {
        return None;
    }
    let cpus = interrupt_cpus::of_device(device.node.map(|node| node.node))?;
    if cpus.is_empty() {
        log::warn!(target: "interrupts", "{}: no CPU can be named by a message", device.function.address);
        return None;
    }
    type Ask = fn(&'static Device) -> Result<Offer, Unavailable>;
    let asks: [(bool, &str, Ask); 3] = [
        (kinds.msi_x, "MSI-X", offer_msi_x),
        (kinds.msi, "MSI", offer_msi),
        (kinds.line, "INTx", offer_line),
    ];
    let (kind, offered) = asks.into_iter().filter(|ask| ask.0).find_map(|(_, name, ask)| {
        ask(device)
            .and_then(|offer| accept(config, device, offer, least))
            .inspect_err(
                |why| log::info!(target: "interrupts", "{} gets no {name}: {why}", device.function.address),
            )
            .ok()
    })?;
    let count = offered.min(most);
    let Some(granted) = Granted::new(kind, count, cpus) else {
        interrupt_registers::turn_off(config, device);
        return None;
    };
    *device.interrupts.granted.lock() = Some(granted);
    Some(count)
}

/// Turns on what the device offers, unless that are fewer than `least` interrupts.
fn accept(
    config: &impl ConfigSpace,
    device: &Device,
    (kind, count): Offer,
    least: usize,
) -> Result<Offer, Unavailable> {
    if count < least {
        return Err(Unavailable::TooFew);
    }
    interrupt_registers::turn_on(config, device, kind).then_some((kind, count)).ok_or(Unavailable::NotKept)
}

fn offer_msi_x(device: &'static Device) -> Result<Offer, Unavailable> {
    let function = &device.function;
    let msi_x = function.msi_x.ok_or(Unavailable::NoCapability)?;
    let command = config_access::get().and_then(|config| command::change(config, function.address, 0, 0));
    if command.is_none_or(|command| command & command::MEMORY == 0) {
        return Err(Unavailable::MemoryOff);
    }
    let map = || MessageTable::map(&msi_x, &function.bars).ok_or(Unavailable::NoTable);
    let table = device.interrupts.table.try_call_once(map)?;
    Ok((InterruptKind::MsiX(msi_x, table), msi_x.vectors.into()))
}

fn offer_msi(device: &'static Device) -> Result<Offer, Unavailable> {
    // One message: several would need a block of vectors, and would all go to one CPU.
    device.function.msi.map(|msi| (InterruptKind::Msi(msi), 1)).ok_or(Unavailable::NoCapability)
}

fn offer_line(device: &'static Device) -> Result<Offer, Unavailable> {
    if device.function.pin == 0 {
        return Err(Unavailable::NoPin);
    }
    let number = interrupt_routes::line_of(&device.function).map_err(Unavailable::NoRoute)?;
    let no_line = Unavailable::NoRoute(interrupt_routes::NoRoute::NoIoApic(number));
    Ok((InterruptKind::Line(interrupt_lines::find(number, LineTrigger::PCI).ok_or(no_line)?), 1))
}

/// Takes all interrupts of a device back: their handlers do not run any more, and the device raises none. The caller holds `changes`, and
/// is a thread that may wait. Returns how many the driver had.
pub fn take_back(device: &Device) -> usize {
    let count = device.interrupts.count();
    if count == 0 {
        return 0;
    }
    let Some(may_wait) = device_vectors::may_wait() else {
        log::error!(target: "interrupts", "{} keeps its interrupts: they are taken back where nobody may wait", device.function.address);
        return 0;
    };
    // First, so that nothing is sent to a vector that is free again, even by a device that does not keep its masks.
    if let Some(config) = config_access::get() {
        interrupt_registers::turn_off(config, device);
    }
    for index in 0..count {
        interrupt_attach::detach_locked(device, index, &may_wait);
    }
    // Its memory is freed behind the lock.
    let granted = device.interrupts.granted.lock().take();
    drop(granted);
    count
}
