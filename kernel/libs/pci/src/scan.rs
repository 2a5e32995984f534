//! Visits the buses of a segment, in ascending order, and the functions on them.
//!
//! Bus numbers behind a bridge are higher than the bridge's own (PCI 3.0 §6.1). So one ascending pass visits each bus at most
//! once, after the bridge that leads to it. A bridge that does not keep to that is not followed.
use pci_types::PciAddress;

use crate::function::{self, Function, Header};
use crate::{BusSet, ConfigSpace, Fault, Problem, is_present};

/// Buses of a segment.
const BUSES: usize = 256;

/// Functions of a device.
const FUNCTIONS: u8 = 8;

/// How a bus is reached.
#[derive(Clone, Copy)]
struct Way {
    /// The bridge that leads to it, or `None` for a root bus.
    parent: Option<PciAddress>,
    has_one_slot: bool,
}

impl Way {
    const ROOT: Self = Self { parent: None, has_one_slot: false };
}

/// What is known about the buses, as far as the scan has come.
struct Buses {
    reachable: BusSet,
    /// The buses that are roots for certain.
    roots: BusSet,
    /// How a bus is reached, or `None` if nothing is known to lead to it.
    ways: [Option<Way>; BUSES],
    /// The innermost range that has the bus, by its first bus: the range of a bridge or of a known root. `None` for no range.
    ranges: [Option<u8>; BUSES],
}

impl Buses {
    fn new(reachable: BusSet, roots: BusSet) -> Self {
        let mut buses = Self { reachable, roots, ways: [None; BUSES], ranges: [None; BUSES] };
        let mut range = None;
        for bus in 0..=u8::MAX {
            if roots.contains(bus) {
                range = Some(bus);
                buses.ways[usize::from(bus)] = Some(Way::ROOT);
            }
            buses.ranges[usize::from(bus)] = range;
        }
        buses
    }

    /// Returns how the bus is reached, or `None` if it is not to be visited.
    fn way_to(&self, bus: u8) -> Option<Way> {
        let bus = usize::from(bus);
        // The range of a known root says nothing about the buses after it: another may be a root, too.
        let may_be_root = || self.ranges[bus].is_none_or(|first| self.roots.contains(first));
        self.ways[bus].or_else(|| may_be_root().then_some(Way::ROOT))
    }

    /// Enters the buses behind a bridge. A function that is no bridge changes nothing.
    fn enter(&mut self, function: &Function) -> Result<(), Problem> {
        let Header::Bridge { secondary, subordinate } = function.header else { return Ok(()) };
        let bus = function.address.bus();
        if secondary <= bus || subordinate < secondary {
            return Err(Problem::BridgeBuses { secondary, subordinate });
        }
        let own = self.ranges[usize::from(bus)];
        let behind = || secondary..=subordinate;
        if let Some(bus) = behind().find(|&bus| self.ranges[usize::from(bus)] != own) {
            return Err(Problem::BridgeOverlap { secondary, subordinate, bus });
        }
        self.ranges[usize::from(secondary)..=usize::from(subordinate)].fill(Some(secondary));
        self.ways[usize::from(secondary)] =
            Some(Way { parent: Some(function.address), has_one_slot: function.has_one_slot_behind() });
        match behind().find(|&bus| !self.reachable.contains(bus)) {
            Some(bus) => Err(Problem::BridgeReach { secondary, subordinate, bus }),
            None => Ok(()),
        }
    }
}

/// Finds the functions on the reachable buses of a segment, and passes each to `found`, in ascending order. Reports what is
/// wrong to `faults`.
///
/// `roots` are buses to which no bridge can lead. Each other bus that is behind no bridge and has functions counts as a root, too.
pub fn scan(
    config: &impl ConfigSpace,
    segment: u16,
    reachable: BusSet,
    roots: BusSet,
    found: &mut dyn FnMut(Function),
    faults: &mut dyn FnMut(Fault),
) {
    let mut buses = Buses::new(reachable, roots);
    for bus in reachable.iter() {
        let Some(way) = buses.way_to(bus) else { continue };
        let mut slots = match way.has_one_slot {
            true => is_present(config.read(PciAddress::new(segment, bus, 0, 0), 0)).into(),
            false => config.slots(segment, bus),
        };
        while slots != 0 {
            let slot = slots.trailing_zeros() as u8;
            slots &= slots - 1;
            for number in 0..FUNCTIONS {
                let address = PciAddress::new(segment, bus, slot, number);
                let function = function::read(config, address, way.parent, faults);
                let has_more = function.is_some_and(|(_, has_several)| has_several);
                if let Some((function, _)) = function {
                    if let Err(problem) = buses.enter(&function) {
                        faults(Fault { function: address, offset: function::BUSES, problem });
                    }
                    found(function);
                }
                // Function 0 says whether there are others.
                if number == 0 && !has_more {
                    break;
                }
            }
        }
    }
}
