//! The lines that the interrupt pins of functions on root buses lead to, as far as `_PRT` is a constant (ACPI 6.5 §6.2.13).
use core::fmt;

use aml_names::{Answer, Device, RouteSource, Routes};
use arrayvec::ArrayVec;

/// The most tables that are kept: one for each host bridge.
const MAX_TABLES: usize = 64;
/// The most entries of all tables that are kept. A table has up to 128.
pub const MAX_PIN_ROUTES: usize = 1024;

/// Why it is not known to which line a pin leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoPinRoute {
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
            Self::NoTable => "firmware does not say to which line its pin leads",
            Self::NotConstant => "firmware's routing table (_PRT) is no constant",
            Self::NoEntry => "firmware's routing table (_PRT) has no entry for its pin",
            Self::Link => "firmware leads its pin to a link device, whose line is no constant",
        })
    }
}

/// The table of a root bus.
struct Table {
    segment: u16,
    bus: u8,
    is_constant: bool,
}

/// An entry of a table.
struct Entry {
    segment: u16,
    bus: u8,
    device: u8,
    pin: u8,
    /// The line; `None` for a link device.
    line: Option<u32>,
}

/// The tables of all root buses.
#[derive(Default)]
pub struct PinRoutes {
    tables: ArrayVec<Table, MAX_TABLES>,
    entries: ArrayVec<Entry, MAX_PIN_ROUTES>,
}

impl PinRoutes {
    /// Adds the table of a host bridge, if it has one. Returns false if there is no room for all of it: it then counts as no constant.
    pub fn add(&mut self, segment: u16, bus: u8, bridge: &Device<'_>) -> bool {
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
                let entry = Entry { segment, bus, device: route.device, pin: route.pin, line };
                has_room &= self.entries.try_push(entry).is_ok();
            }
        }
        if !has_room {
            self.entries.truncate(before);
        }
        let is_constant = has_room && matches!(routing, Answer::Constant(_));
        has_room & self.tables.try_push(Table { segment, bus, is_constant }).is_ok()
    }

    /// Returns the global number of the line that a pin of a device on a root bus leads to. Pins count from 0.
    ///
    /// # Errors
    /// [`NoPinRoute`].
    pub fn line(&self, segment: u16, bus: u8, device: u8, pin: u8) -> Result<u32, NoPinRoute> {
        let mut of_bus = self.tables.iter().filter(|table| table.segment == segment && table.bus == bus);
        let first = of_bus.next().ok_or(NoPinRoute::NoTable)?;
        if !first.is_constant && !of_bus.any(|table| table.is_constant) {
            return Err(NoPinRoute::NotConstant);
        }
        let is_it = |entry: &&Entry| {
            (entry.segment, entry.bus, entry.device, entry.pin) == (segment, bus, device, pin)
        };
        let entry = self.entries.iter().find(is_it).ok_or(NoPinRoute::NoEntry)?;
        entry.line.ok_or(NoPinRoute::Link)
    }
}
