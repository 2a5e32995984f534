//! Finds the node of each function.
use acpi_tables::DeviceHandle;
use pci::{Function, PciAddress};
use topology::{DeviceKind, NumaTopology};
use units::NodeId;

use crate::HostBridges;
use crate::way;

/// How the node of a function is known. The numbers are those of the driver ABI, where 0 means that it is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum NodeSource {
    /// From a `_PXM` of the function itself, or, on a root bus, from that of the host bridge.
    Pxm = 1,
    /// From an entry of the SRAT for a generic initiator (type 5).
    Srat = 2,
    /// The node is that of the bridge that leads to the function.
    Bridge = 3,
}

/// The node of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceNode {
    /// The node.
    pub node: NodeId,
    /// How it is known.
    pub source: NodeSource,
}

/// A function of PCI, and where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocatedFunction {
    /// The function.
    pub function: Function,
    /// Its node, or `None` if it is unknown.
    pub node: Option<DeviceNode>,
}

impl AsRef<Function> for LocatedFunction {
    fn as_ref(&self) -> &Function {
        &self.function
    }
}

impl AsMut<Function> for LocatedFunction {
    fn as_mut(&mut self) -> &mut Function {
        &mut self.function
    }
}

/// Finds the node of each function. The functions must be in ascending order of their addresses.
///
/// What names a function itself counts before what names the bridges above it: its `_PXM`, then its entry in the SRAT, then the node
/// of the bridge that leads to it, or of the host bridge. A `_PXM` whose domain is no node's makes the node unknown.
pub fn locate(functions: &mut [LocatedFunction], bridges: &HostBridges, topology: &NumaTopology) {
    for index in 0..functions.len() {
        let (before, rest) = functions.split_at_mut(index);
        if let Some(located) = rest.first_mut() {
            located.node = node_of(&located.function, before, bridges, topology);
        }
    }
}

/// Returns the node of a function. `before` has the bridges above it, with their nodes.
fn node_of(
    function: &Function,
    before: &[LocatedFunction],
    bridges: &HostBridges,
    topology: &NumaTopology,
) -> Option<DeviceNode> {
    let above = |address| find(before, address).map(|located| located.function);
    let (segment, root_bus) = (function.address.segment(), way::root_bus(function, above));
    let by = |node: Option<NodeId>, source| node.map(|node| DeviceNode { node, source });
    if bridges.has_places(segment, root_bus)
        && let Some(route) = way::route(function, above)
        && let Some(node) = bridges.own_node(segment, root_bus, &route)
    {
        return by(node, NodeSource::Pxm);
    }
    if let Some(node) = node_from_srat(function.address, topology) {
        return by(Some(node), NodeSource::Srat);
    }
    match function.parent {
        Some(parent) => by(find(before, parent)?.node.map(|above| above.node), NodeSource::Bridge),
        None => by(bridges.find(segment, root_bus)?.node, NodeSource::Pxm),
    }
}

/// Returns the node of the generic initiator at this address.
fn node_from_srat(address: PciAddress, topology: &NumaTopology) -> Option<NodeId> {
    let handle = Some(DeviceHandle::Pci {
        segment: address.segment(),
        bus: address.bus(),
        device: address.device(),
        function: address.function(),
    });
    let is_it = |device: &&topology::Device| device.kind == DeviceKind::Initiator && device.handle == handle;
    topology.devices().iter().find(is_it).and_then(|device| topology.node_of_domain(device.domain))
}

fn find(functions: &[LocatedFunction], address: PciAddress) -> Option<&LocatedFunction> {
    let index = functions.binary_search_by_key(&address, |located| located.function.address).ok()?;
    functions.get(index)
}
