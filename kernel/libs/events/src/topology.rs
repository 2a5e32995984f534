//! The event of a topology, for the kernel and for the host tool.
use alloc::collections::TryReserveError;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display, Write};

use topology::{DeviceKind, Figure, Measure, NumaTopology};
use units::{NodeId, ProximityDomain};

use crate::{
    Device, Event, Limits, MemoryRange, Node, Performance, PersistentRange, PortPerformance, SideCache,
};

/// The numbers of a node's frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PageCounts {
    /// Usable frames, including those that the kernel itself uses.
    pub total: u64,
    /// Free frames.
    pub free: u64,
}

impl Event<'static> {
    /// Creates the topology event of the machine that runs this code. `pages_of` returns the frames of a node.
    ///
    /// # Errors
    /// [`TryReserveError`] if there is not enough memory for the lists.
    pub fn of_machine(
        topology: &NumaTopology,
        pages_of: impl Fn(NodeId) -> PageCounts,
    ) -> Result<Self, TryReserveError> {
        // With a memory map, hot-pluggable ranges contain only RAM that is present.
        of(topology, pages_of, false)
    }

    /// Creates the topology event of a machine of which only the tables are known.
    ///
    /// Page counts are 0. Hot-pluggable ranges are marked, because they may contain no memory.
    ///
    /// # Errors
    /// [`TryReserveError`] if there is not enough memory for the lists.
    pub fn of_tables(topology: &NumaTopology) -> Result<Self, TryReserveError> {
        of(topology, |_| PageCounts::default(), true)
    }
}

fn of(
    topology: &NumaTopology,
    pages_of: impl Fn(NodeId) -> PageCounts,
    marks_hotplug: bool,
) -> Result<Event<'static>, TryReserveError> {
    let nodes = topology.nodes();
    let fallback = |from| list(topology.fallback(from).iter().map(|&to| number(to)));
    Ok(Event::Topology {
        source: topology.source().as_str().into(),
        nodes: try_list(nodes.iter().map(|node| node_of(topology, node, pages_of(node.id), marks_hotplug)))?,
        distances: try_list(nodes.iter().map(|node| list(topology.distances_from(node.id))))?,
        fallback: try_list(nodes.iter().map(|node| fallback(node.id)))?,
        performance: topology.performance().map(|known| performance_of(topology, known)).transpose()?,
        persistent_ranges: list(topology.persistent_ranges().iter().map(persistent))?,
        generic_initiators: devices(topology, DeviceKind::Initiator)?,
        generic_ports: devices(topology, DeviceKind::Port)?,
        limits: topology.limits().map(|limits| Limits {
            domains: limits.domains,
            clock_domains: limits.clock_domains,
            address: limits.address.0,
        }),
    })
}

fn devices(topology: &NumaTopology, kind: DeviceKind) -> Result<Vec<Device>, TryReserveError> {
    let devices = topology.devices().iter().filter(|device| device.kind == kind);
    let event = |device: &topology::Device| {
        let handle = device.handle.map(|handle| text(&handle)).transpose()?;
        Ok(Device { domain: device.domain.0, handle })
    };
    try_list(devices.map(event))
}

fn persistent(found: &topology::PersistentRange) -> PersistentRange {
    let &topology::PersistentRange { range, domain, nearest } = found;
    PersistentRange {
        base: range.start.0,
        length: range.len_bytes(),
        domain: domain.0,
        node: number(nearest),
        persistent: true,
    }
}

/// Returns the items as a list, as `collect` does, unless there is not enough memory.
fn list<T>(items: impl Iterator<Item = T>) -> Result<Vec<T>, TryReserveError> {
    try_list(items.map(Ok))
}

/// Returns the items as a list, unless one of them is an error or there is not enough memory.
fn try_list<T>(items: impl Iterator<Item = Result<T, TryReserveError>>) -> Result<Vec<T>, TryReserveError> {
    let mut list = Vec::new();
    for item in items {
        list.try_reserve(1)?;
        list.push(item?);
    }
    Ok(list)
}

/// Returns a value's text, as `to_string` does, unless there is not enough memory.
fn text(value: &impl Display) -> Result<String, TryReserveError> {
    let mut text = Text { written: String::new(), reserved: Ok(()) };
    // An error means that there was not enough memory, which `reserved` says.
    let _ = write!(text, "{value}");
    text.reserved.map(|()| text.written)
}

struct Text {
    written: String,
    /// An error if there was not enough memory.
    reserved: Result<(), TryReserveError>,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.reserved = self.written.try_reserve(text.len());
        self.reserved.as_ref().map_err(|_| fmt::Error)?;
        self.written.push_str(text);
        Ok(())
    }
}

fn node_of(
    topology: &NumaTopology,
    node: &topology::Node,
    pages: PageCounts,
    marks_hotplug: bool,
) -> Result<Node, TryReserveError> {
    let range = |range: &topology::MemoryRange| MemoryRange {
        base: range.range.start.0,
        length: range.range.len_bytes(),
        hotplug: marks_hotplug && range.hot_pluggable,
    };
    let cpus = || topology.cpus().iter().filter(|cpu| cpu.node == node.id);
    Ok(Node {
        id: number(node.id),
        domain: node.domain.0,
        cpus: list(cpus().map(|cpu| cpu.id.0))?,
        apic_ids: list(cpus().map(|cpu| cpu.apic_id.0))?,
        memory: list(topology.ranges_of(node.id).map(range))?,
        pages_total: pages.total,
        pages_free: pages.free,
    })
}

fn performance_of(
    topology: &NumaTopology,
    performance: &topology::Performance,
) -> Result<Performance, TryReserveError> {
    let initiators = performance.initiators();
    let matrix = |measure| {
        let row = |index| list(performance.figures(index, measure).map(value));
        try_list((0..initiators.len()).map(row))
    };
    let attached = |node| performance.attached_initiator(node).map(|domain| domain.0);
    Ok(Performance {
        initiators: list(initiators.iter().map(|initiator| initiator.domain.0))?,
        read_latency_ps: matrix(Measure::ReadLatency)?,
        write_latency_ps: matrix(Measure::WriteLatency)?,
        read_bandwidth_mbps: matrix(Measure::ReadBandwidth)?,
        write_bandwidth_mbps: matrix(Measure::WriteBandwidth)?,
        attached: list(topology.nodes().iter().map(|node| attached(node.id)))?,
        side_caches: list(performance.side_caches().iter().map(cache_of))?,
        ports: try_list(performance.ports().iter().map(|&port| port_of(performance, port)))?,
    })
}

fn port_of(
    performance: &topology::Performance,
    port: ProximityDomain,
) -> Result<PortPerformance, TryReserveError> {
    let column = |measure: Measure| {
        let initiators = 0..performance.initiators().len();
        let reach = initiators.filter_map(|initiator| performance.reach_port(initiator, port));
        list(reach.map(|reach| value(measure.of(reach))))
    };
    Ok(PortPerformance {
        domain: port.0,
        read_latency_ps: column(Measure::ReadLatency)?,
        write_latency_ps: column(Measure::WriteLatency)?,
        read_bandwidth_mbps: column(Measure::ReadBandwidth)?,
        write_bandwidth_mbps: column(Measure::WriteBandwidth)?,
    })
}

fn value(figure: Figure) -> Option<i32> {
    match figure {
        Figure::Unspecified => None,
        Figure::Unreachable => Some(-1),
        // At most 30 bits.
        Figure::Known(value) => Some(value as i32),
    }
}

fn cache_of(cache: &topology::SideCache) -> SideCache {
    let &topology::SideCache { node, level, size, levels, associativity, write_policy, line_size } = cache;
    SideCache { node: number(node), level, levels, size, line_size, associativity, write_policy }
}

fn number(node: NodeId) -> u32 {
    // At most 128 nodes.
    node.index() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use acpi_tables::builder::{TableBuilder, memory_affinity, x2apic_affinity};
    use acpi_tables::wire::SratMemoryAffinity;
    use topology::Inputs;
    use units::{ApicId, PhysRange};

    const SIZE: u64 = 1 << 20;

    /// Returns an SRAT with a CPU and memory in domain 3, and a hot-pluggable range in domain 5.
    fn srat() -> alloc::vec::Vec<u8> {
        let mut slot = memory_affinity(SIZE, SIZE, ProximityDomain(5));
        slot.flags = (SratMemoryAffinity::ENABLED | SratMemoryAffinity::HOT_PLUGGABLE).into();
        TableBuilder::srat(3)
            .entry(&x2apic_affinity(ApicId(0), ProximityDomain(3)))
            .entries([memory_affinity(0, SIZE, ProximityDomain(3)), slot])
            .build()
    }

    fn nodes(event: Event<'_>) -> Vec<Node> {
        let Event::Topology { nodes, .. } = event else { panic!("another event") };
        nodes
    }

    #[test]
    fn without_a_memory_map_slots_are_marked_and_page_counts_are_0() {
        let srat = srat();
        let inputs = Inputs::from_tables([&srat[..]], &mut |_| {});
        let nodes =
            nodes(Event::of_tables(&NumaTopology::build(&inputs, &mut |_| {})).expect("enough memory"));
        let memory = |base, hotplug| alloc::vec![MemoryRange { base, length: SIZE, hotplug }];
        assert_eq!([&nodes[0].memory, &nodes[1].memory], [&memory(0, false), &memory(SIZE, true)]);
        assert!(nodes.iter().all(|node| (node.pages_total, node.pages_free) == (0, 0)));
        assert_eq!((nodes[0].domain, &nodes[0].cpus[..], &nodes[1].cpus[..]), (3, &[0][..], &[][..]));
    }

    #[test]
    fn with_a_memory_map_no_range_is_marked_and_each_node_has_its_page_counts() {
        let (srat, ram) = (srat(), [PhysRange::new(0, 2 * SIZE)]);
        let inputs = Inputs { ram: &ram, ..Inputs::from_tables([&srat[..]], &mut |_| {}) };
        let topology = NumaTopology::build(&inputs, &mut |_| {});
        let pages = |node: NodeId| PageCounts { total: 256 + node.index() as u64, free: 1 };
        let nodes = nodes(Event::of_machine(&topology, pages).expect("enough memory"));
        assert_eq!(nodes[1].memory, [MemoryRange { base: SIZE, length: SIZE, hotplug: false }]);
        let counts: Vec<_> = nodes.iter().map(|node| (node.pages_total, node.pages_free)).collect();
        assert_eq!(counts, [(256, 1), (257, 1)]);
    }

    #[test]
    fn persistent_ranges_are_listed_with_their_domain_and_the_nearest_node() {
        let mut module = memory_affinity(4 * SIZE, SIZE, ProximityDomain(9));
        module.flags = (SratMemoryAffinity::ENABLED | SratMemoryAffinity::NON_VOLATILE).into();
        let srat =
            TableBuilder::srat(3).entry(&memory_affinity(0, SIZE, ProximityDomain(3))).entry(&module).build();
        let topology = NumaTopology::build(&Inputs::from_tables([&srat[..]], &mut |_| {}), &mut |_| {});
        let event = Event::of_tables(&topology).expect("enough memory");
        let Event::Topology { persistent_ranges, nodes, .. } = event else { panic!("another event") };
        let expected = PersistentRange { base: 4 * SIZE, length: SIZE, domain: 9, node: 0, persistent: true };
        assert_eq!((&persistent_ranges[..], nodes.len()), (&[expected][..], 1));
    }
}
