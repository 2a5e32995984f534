//! Reads a PCI routing table: which interrupt the pins of a bus's devices raise (ACPI 6.5 §6.2.13).
use crate::name_string::NameString;
use crate::value::{Element, Elements, Package, Value};

/// The elements of an entry: address, pin, source, index of the source.
const ELEMENTS: usize = 4;

/// An entry of a routing table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route<'a> {
    /// The device's number on its bus, 0 to 31. The entry is for all of its functions.
    pub device: u8,
    /// The pin: 0 for INTA to 3 for INTD.
    pub pin: u8,
    /// Where the pin's signal goes.
    pub source: RouteSource<'a>,
}

/// Where the signal of a pin goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RouteSource<'a> {
    /// To this global system interrupt, that is to an input of an I/O APIC.
    GlobalInterrupt(u32),
    /// To a link device, whose current interrupt only its `_CRS` states, usually a method.
    Link {
        /// The name of the device, in the scope of the routing table.
        device: NameString<'a>,
        /// The index of the interrupt among the resources of the device.
        index: u32,
    },
}

/// The entries of a routing table. An entry that cannot be read is `None`.
#[derive(Clone, Debug)]
pub struct Routes<'a>(Elements<'a>);

impl<'a> Routes<'a> {
    /// Iterates over the entries of a `_PRT`, which [`Device::routing`](crate::Device::routing) returns.
    #[must_use]
    pub const fn new(table: &Package<'a>) -> Self {
        Self(table.elements())
    }
}

impl<'a> Iterator for Routes<'a> {
    type Item = Option<Route<'a>>;

    fn next(&mut self) -> Option<Option<Route<'a>>> {
        let element = self.0.next()?;
        Some(match element {
            Element::Value(Value::Package(entry)) => route(&entry),
            _ => None,
        })
    }
}

/// Reads an entry.
fn route<'a>(entry: &Package<'a>) -> Option<Route<'a>> {
    let mut elements = entry.elements();
    let mut read = [None; ELEMENTS];
    read.iter_mut().for_each(|slot| *slot = elements.next());
    let [address, pin, source, index] = read;
    let (address, index) = (integer(address?)?, u32::try_from(integer(index?)?).ok()?);
    let pin = u8::try_from(integer(pin?)?).ok().filter(|&pin| pin < 4)?;
    // All functions of a device share its entries, so the function's number is 0xffff.
    let device =
        u8::try_from(address >> 16).ok().filter(|&device| device < 32 && address & 0xffff == 0xffff)?;
    let source = match source? {
        Element::Value(Value::Integer(0)) => RouteSource::GlobalInterrupt(index),
        Element::Name(device) => RouteSource::Link { device, index },
        Element::Value(_) => return None,
    };
    Some(Route { device, pin, source })
}

const fn integer(element: Element<'_>) -> Option<u64> {
    match element {
        Element::Value(value) => value.integer(),
        Element::Name(_) => None,
    }
}
