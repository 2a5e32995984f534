//! The lines that the interrupt pins on root buses and behind bridges lead to, as far as `_PRT` is a constant (ACPI 6.5 §6.2.13).
use core::fmt;
use core::ops::Range;

use aml_names::{Answer, Device, PciAddress, RouteSource, Routes};
use arrayvec::ArrayVec;
use pci::Pin;

use crate::way::{self, MAX_WAY};

/// The most tables that are kept: one for each host bridge, and as many for root ports and other bridges.
pub const MAX_PIN_TABLES: usize = 128;
/// The most entries of all tables that are kept. A table has up to 128.
pub const MAX_PIN_ROUTES: usize = 1024;

/// Why it is not known to which line a pin leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoPinRoute {
    /// The function has no pin, or a bridge above it is not known.
    NoRootPin,
    /// Firmware has no routing table for the bus.
    NoTable,
    /// A method computes the table, or it cannot be read.
    NotConstant,
    /// The table has no entry for the pin, or one that cannot be read.
    NoEntry,
    /// The entry names a link device.
    Link,
}

impl fmt::Display for NoPinRoute {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoRootPin => "no bridge leads its pin to a root bus",
            Self::NoTable => "firmware does not say to which line its pin leads",
            Self::NotConstant => "firmware's routing table (_PRT) is no constant",
            Self::NoEntry => "firmware's routing table (_PRT) has no entry for its pin",
            Self::Link => "firmware leads its pin to a link device, whose line is no constant",
        })
    }
}

/// A bus that has a table.
pub struct Bus {
    /// The segment.
    pub segment: u16,
    /// The root bus above it, or itself.
    pub root_bus: u8,
    /// The way from the root bus to the bridge that leads to the bus; empty for a root bus.
    pub route: ArrayVec<PciAddress, MAX_WAY>,
}

/// The table of a bus.
struct Table {
    bus: Bus,
    is_constant: bool,
    /// Its entries among those of all tables.
    entries: Range<usize>,
}

/// An entry of a table.
struct Entry {
    device: u8,
    pin: u8,
    /// The line; `None` for a link device.
    line: Option<u32>,
}

/// The tables of all buses that have one.
#[derive(Default)]
pub struct PinRoutes {
    tables: ArrayVec<Table, MAX_PIN_TABLES>,
    entries: ArrayVec<Entry, MAX_PIN_ROUTES>,
}

impl PinRoutes {
    /// Adds the table of a host bridge or of another bridge, if it has one. Returns false if there is no room for all of it: it then counts as no constant.
    pub fn add(&mut self, bus: Bus, bridge: &Device<'_>) -> bool {
        let routing = bridge.routing();
        if routing == Answer::Absent {
            return true;
        }
        let before = self.entries.len();
        let mut has_room = true;
        if let Answer::Constant(table) = &routing {
            for route in Routes::new(table).flatten() {
                let line = match route.source {
                    RouteSource::GlobalInterrupt(line) => Some(line),
                    _ => None,
                };
                let entry = Entry { device: route.device, pin: route.pin, line };
                has_room &= self.entries.try_push(entry).is_ok();
            }
        }
        if !has_room {
            self.entries.truncate(before);
        }
        let is_constant = has_room && matches!(routing, Answer::Constant(_));
        let table = Table { bus, is_constant, entries: before..self.entries.len() };
        has_room & self.tables.try_push(table).is_ok()
    }

    /// Returns the global number of the line that a pin leads to, as the table of its own bus has it. `route` is the way from the root bus to the
    /// bridge that leads to that bus.
    ///
    /// # Errors
    /// [`NoPinRoute`].
    pub fn line(&self, segment: u16, root_bus: u8, route: &[(u8, u8)], pin: &Pin) -> Result<u32, NoPinRoute> {
        let is_of_bus = |table: &&Table| {
            let Bus { segment: own_segment, root_bus: own_root, route: own_route } = &table.bus;
            (*own_segment, *own_root) == (segment, root_bus) && way::is_same(own_route, route)
        };
        let tables = || self.tables.iter().filter(is_of_bus);
        if tables().next().is_none() {
            return Err(NoPinRoute::NoTable);
        }
        if !tables().any(|table| table.is_constant) {
            return Err(NoPinRoute::NotConstant);
        }
        let mut entries =
            tables().flat_map(|table| self.entries.get(table.entries.clone()).unwrap_or_default());
        let is_it = |entry: &&Entry| (entry.device, entry.pin) == (pin.device.device(), pin.pin);
        entries.find(is_it).ok_or(NoPinRoute::NoEntry)?.line.ok_or(NoPinRoute::Link)
    }
}
