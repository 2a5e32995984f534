//! The host bridges that AML describes, as values that outlive firmware's tables.
use acpi_tables::{AmlFault, AmlFaultKind, Finding, Findings, Signature};
use aml_names::{
    Answer, Device, Devices, Object, ObjectName, PciAddress, WindowKind, Windows, read_host_bridges,
};
use arrayvec::ArrayVec;
use core::iter;
use pci::{AddressRange, BusSet, Function, Pin, RootWindow, Space};
use topology::NumaTopology;
use units::NodeId;

use crate::pin_routes::{Bus, MAX_PIN_ROUTES, NoPinRoute, PinRoutes};
use crate::way::{self, MAX_WAY};

/// The most host bridges that are kept. A machine with a bridge for each root port has up to 64 of them.
pub const MAX_BRIDGES: usize = 64;
/// The most devices below host bridges that are kept because they have a domain of their own.
pub const MAX_PLACES: usize = 64;

/// The most windows of host bridges that are kept. A host bridge has some five.
pub const MAX_WINDOWS: usize = 384;

/// A host bridge whose first bus is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostBridge {
    /// The segment.
    pub segment: u16,
    /// The root bus.
    pub first_bus: u8,
    /// The node, or `None` if it is unknown.
    pub node: Option<NodeId>,
}

/// A device below a host bridge that has a domain of its own.
struct Place {
    segment: u16,
    root_bus: u8,
    route: ArrayVec<PciAddress, MAX_WAY>,
    /// The node, or `None` if the domain is no node's.
    node: Option<NodeId>,
}

/// There is no room for more values of a kind.
struct Full {
    room: usize,
}

/// The host bridges of a machine with their windows, the nodes of devices below them, and the lines of their pins.
#[derive(Default)]
pub struct HostBridges {
    bridges: ArrayVec<HostBridge, MAX_BRIDGES>,
    places: ArrayVec<Place, MAX_PLACES>,
    windows: ArrayVec<RootWindow, MAX_WINDOWS>,
    pins: PinRoutes,
}

impl HostBridges {
    /// Reads the host bridges from the DSDT and the SSDTs among these tables.
    ///
    /// `storage` is overwritten. Its length limits the number of host bridges, of devices with a domain and of bridges with a routing table together.
    pub fn read<'a>(
        tables: impl IntoIterator<Item = &'a [u8]> + Clone,
        storage: &mut [Device<'a>],
        topology: &NumaTopology,
        findings: &mut dyn Findings,
    ) -> Self {
        let devices = read_host_bridges(tables, storage, findings);
        devices.iter().for_each(|device| check_domain(device, topology, findings));
        let mut found = Self::default();
        for bridge in devices.host_bridges() {
            let Some((segment, first_bus)) = position(bridge) else { continue };
            found.add_pins(segment, first_bus, bridge, &devices, findings);
            if found.find(segment, first_bus).is_some() {
                continue;
            }
            let node = devices.domain(bridge).constant().and_then(|domain| topology.node_of_domain(domain));
            let own = HostBridge { segment, first_bus, node };
            let result = found
                .add(own)
                .and_then(|()| found.add_places(own, bridge, &devices, topology))
                .and_then(|()| found.add_windows(own, bridge));
            if let Err(Full { room }) = result {
                let kind = AmlFaultKind::Full { room: room as u32 };
                report(bridge.block, bridge.offset, kind, findings);
                break;
            }
        }
        found
    }

    fn add(&mut self, bridge: HostBridge) -> Result<(), Full> {
        self.bridges.try_push(bridge).map_err(|_| Full { room: MAX_BRIDGES })
    }

    /// Adds the devices below a host bridge that have a domain of their own.
    fn add_places<'a>(
        &mut self,
        own: HostBridge,
        bridge: &Device<'a>,
        devices: &Devices<'_, 'a>,
        topology: &NumaTopology,
    ) -> Result<(), Full> {
        let HostBridge { segment, first_bus: root_bus, .. } = own;
        for device in devices.devices_with_domain(bridge) {
            let Some(domain) = device.domain().constant() else { continue };
            let Some(route) = route(devices, bridge, device) else { continue };
            let place = Place { segment, root_bus, route, node: topology.node_of_domain(domain) };
            self.places.try_push(place).map_err(|_| Full { room: MAX_PLACES })?;
        }
        Ok(())
    }

    /// Adds the routing tables of a host bridge, and of the bridges below it whose place is certain.
    fn add_pins<'a>(
        &mut self,
        segment: u16,
        root_bus: u8,
        bridge: &Device<'a>,
        devices: &Devices<'_, 'a>,
        findings: &mut dyn Findings,
    ) {
        let below = devices.devices_with_routing(bridge);
        let below = below.filter_map(|device| Some((device, route(devices, bridge, device)?)));
        for (device, route) in iter::once((bridge, ArrayVec::new())).chain(below) {
            if !self.pins.add(Bus { segment, root_bus, route }, device) {
                let object = device.object(ObjectName::Prt);
                let fault = AmlFaultKind::Full { room: MAX_PIN_ROUTES as u32 };
                report(object.block, object.offset, fault, findings);
            }
        }
    }

    /// Adds the windows of a host bridge. Those that change addresses are left out.
    fn add_windows(&mut self, own: HostBridge, bridge: &Device<'_>) -> Result<(), Full> {
        let HostBridge { segment, first_bus: root_bus, .. } = own;
        let Some(resources) = bridge.resources().constant() else { return Ok(()) };
        for window in Windows::new(&resources).filter(|window| window.translation == 0) {
            let space = match window.kind {
                WindowKind::Memory => Space::Memory,
                WindowKind::Port => Space::Ports,
                WindowKind::Bus => continue,
            };
            let range = AddressRange { first: window.first, last: window.last };
            let window = RootWindow { segment, root_bus, space, range };
            self.windows.try_push(window).map_err(|_| Full { room: MAX_WINDOWS })?;
        }
        Ok(())
    }

    /// Returns the windows of memory and ports of all host bridges.
    #[must_use]
    pub fn windows(&self) -> &[RootWindow] {
        &self.windows
    }

    /// Iterates over the host bridges, in the order in which firmware describes them.
    pub fn iter(&self) -> impl Iterator<Item = &HostBridge> {
        self.bridges.iter()
    }

    /// Returns the host bridge with this root bus. Of several, the first that firmware describes.
    #[must_use]
    pub fn find(&self, segment: u16, first_bus: u8) -> Option<&HostBridge> {
        self.bridges.iter().find(|bridge| bridge.segment == segment && bridge.first_bus == first_bus)
    }

    /// Returns the root buses of a segment, as far as they are known.
    #[must_use]
    pub fn roots(&self, segment: u16) -> BusSet {
        let mut roots = BusSet::EMPTY;
        let of_segment = self.bridges.iter().filter(|bridge| bridge.segment == segment);
        of_segment.for_each(|bridge| roots.insert(bridge.first_bus));
        roots
    }

    /// Returns the global number of the line that the function's pin leads to. `find` finds the bridges above it.
    ///
    /// The nearest routing table on the way up that has an entry for the pin says it (ACPI 6.5 §6.2.13). A bridge whose bus has none joins the
    /// pin to one of its own.
    ///
    /// # Errors
    /// [`NoPinRoute`].
    pub fn line_of_pin(
        &self,
        function: &Function,
        find: impl Fn(pci::PciAddress) -> Option<Function>,
    ) -> Result<u32, NoPinRoute> {
        let mut pin = Pin::of(function).ok_or(NoPinRoute::NoRootPin)?;
        while let Some(address) = pin.bridge {
            let bridge = find(address).ok_or(NoPinRoute::NoRootPin)?;
            match self.line_behind(&bridge, &pin, &find) {
                Err(NoPinRoute::NoTable | NoPinRoute::NoEntry) => {
                    pin = pin.joined_by(&bridge).ok_or(NoPinRoute::NoRootPin)?;
                }
                line => return line,
            }
        }
        self.pins.line(pin.device.segment(), pin.device.bus(), &[], &pin)
    }

    /// Returns the line of a pin on the bus behind this bridge, as the bridge's own table has it.
    fn line_behind(
        &self,
        bridge: &Function,
        pin: &Pin,
        find: impl Fn(pci::PciAddress) -> Option<Function>,
    ) -> Result<u32, NoPinRoute> {
        // A way that is too long for a path of AML has no table.
        let route = way::route(bridge, &find).ok_or(NoPinRoute::NoTable)?;
        self.pins.line(bridge.address.segment(), way::root_bus(bridge, &find), &route, pin)
    }

    /// Returns the node that AML gives to exactly this function, which the bridges of `route` lead to. `Some(None)` means that
    /// its domain is no node's.
    ///
    /// `route` are the numbers of device and function from the root bus on, the function's own last.
    pub(crate) fn own_node(&self, segment: u16, root_bus: u8, route: &[(u8, u8)]) -> Option<Option<NodeId>> {
        let is_it = |place: &&Place| {
            (place.segment, place.root_bus) == (segment, root_bus) && way::is_same(&place.route, route)
        };
        self.places.iter().find(is_it).map(|place| place.node)
    }

    /// Returns true if devices below this root bus have a domain of their own.
    pub(crate) fn has_places(&self, segment: u16, root_bus: u8) -> bool {
        self.places.iter().any(|place| place.segment == segment && place.root_bus == root_bus)
    }
}

/// Returns the segment and the first bus. If a method computes the first bus, it may still be a constant among the windows.
fn position(bridge: &Device<'_>) -> Option<(u16, u8)> {
    let segment = match bridge.segment() {
        Answer::Absent => 0,
        answer => answer.constant()?,
    };
    let first_bus = match bridge.first_bus() {
        Answer::Absent => 0,
        Answer::Constant(bus) => bus,
        _ => {
            let windows = bridge.resources().constant()?;
            let buses = Windows::new(&windows).find(|window| window.kind == WindowKind::Bus)?;
            u8::try_from(buses.first).ok()?
        }
    };
    Some((segment, first_bus))
}

/// Returns the way from the host bridge to a device below it, or `None` if it is not certain.
fn route<'a>(
    devices: &Devices<'_, 'a>,
    bridge: &Device<'a>,
    device: &Device<'a>,
) -> Option<ArrayVec<PciAddress, MAX_WAY>> {
    let mut route = ArrayVec::new();
    for address in devices.route(bridge, device) {
        route.try_push(address?).ok()?;
    }
    Some(route)
}

/// Reports a domain that nothing in the SRAT has. Domains of devices alone are no nodes, and no faults.
fn check_domain(device: &Device<'_>, topology: &NumaTopology, findings: &mut dyn Findings) {
    let Some(domain) = device.domain().constant() else { return };
    let is_known = topology.node_of_domain(domain).is_some()
        || topology.source() != topology::Source::Srat
        || topology.devices().iter().any(|device| device.domain == domain);
    if !is_known {
        let Object { block, offset, .. } = *device.object(ObjectName::Pxm);
        report(block, offset, AmlFaultKind::DomainUnknown { domain }, findings);
    }
}

fn report(block: u32, offset: u32, kind: AmlFaultKind, findings: &mut dyn Findings) {
    let table = if block == 0 { Signature::DSDT } else { Signature::SSDT };
    findings.report(Finding::new(table, offset, AmlFault { block, kind }));
}
