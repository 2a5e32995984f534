//! How fast each initiator reaches each node's memory, as the HMAT has it.
use acpi_tables::{
    Attachment, Direction, Finding, Findings, Hmat, HmatEntry, HmatFault, Matrix, Quantity, Signature, What,
};
use arrayvec::ArrayVec;
use units::{MAX_NODES, NodeId, ProximityDomain};

use crate::figure::{LARGEST_FIGURE, Outcome, Stored, is_partial};
use crate::initiators::{self, Initiators, Named, node_of};
use crate::side_caches::{self, SideCaches};
use crate::{Figure, Initiator, Node, SideCache};

/// Latency and bandwidth between initiators and memory, what memory is attached to, and the caches in front of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Performance {
    is_known: bool,
    initiators: Initiators,
    /// A row for each initiator, with a cell for each node.
    cells: ArrayVec<Cell, { MAX_NODES * MAX_NODES }>,
    /// By node.
    attached: ArrayVec<Option<ProximityDomain>, MAX_NODES>,
    side_caches: SideCaches,
}

/// How fast an initiator reaches a node's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// From the start of a read to its end, in picoseconds.
    pub read_latency_ps: Figure,
    /// From the start of a write to its end, in picoseconds.
    pub write_latency_ps: Figure,
    /// What can be read, in MB/s.
    pub read_bandwidth_mbps: Figure,
    /// What can be written, in MB/s.
    pub write_bandwidth_mbps: Figure,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cell {
    read_latency: Stored,
    write_latency: Stored,
    read_bandwidth: Stored,
    write_bandwidth: Stored,
}

impl Cell {
    const UNSPECIFIED: Self = Self {
        read_latency: Stored::UNSPECIFIED,
        write_latency: Stored::UNSPECIFIED,
        read_bandwidth: Stored::UNSPECIFIED,
        write_bandwidth: Stored::UNSPECIFIED,
    };

    /// Takes in a value; whether it contradicts one that is there.
    fn put(&mut self, new: Stored, quantity: Quantity, direction: Direction) -> bool {
        let (read, write) = match quantity {
            Quantity::Latency => (&mut self.read_latency, &mut self.write_latency),
            Quantity::Bandwidth => (&mut self.read_bandwidth, &mut self.write_bandwidth),
        };
        let mut conflict = false;
        if direction != Direction::Write {
            conflict |= read.put(new, quantity) == Outcome::Conflict;
        }
        if direction != Direction::Read {
            conflict |= write.put(new, quantity) == Outcome::Conflict;
        }
        conflict
    }
}

/// Things wrong in one way: how many, and the first.
struct Tally<T> {
    count: u32,
    first: Option<T>,
}

impl<T> Tally<T> {
    const NONE: Self = Self { count: 0, first: None };

    fn add(&mut self, thing: T) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert(thing);
    }

    /// What `fault` makes of the first and the count; `None` where there is none.
    fn fault(self, fault: impl FnOnce(T, u32) -> HmatFault) -> Option<HmatFault> {
        self.first.map(|first| fault(first, self.count))
    }
}

impl Performance {
    pub(crate) const EMPTY: Self = Self {
        is_known: false,
        initiators: ArrayVec::new_const(),
        cells: ArrayVec::new_const(),
        attached: ArrayVec::new_const(),
        side_caches: ArrayVec::new_const(),
    };

    pub(crate) const fn is_known(&self) -> bool {
        self.is_known
    }

    /// Takes in what an HMAT says of these nodes, in place of what was here.
    pub(crate) fn read(
        &mut self,
        nodes: &[Node],
        named: &Named,
        hmat: Option<&Hmat<'_>>,
        findings: &mut dyn Findings,
    ) {
        self.is_known = hmat.is_some();
        self.initiators.clear();
        self.cells.clear();
        self.attached.clear();
        self.side_caches.clear();
        let Some(hmat) = hmat else { return };
        initiators::read(&mut self.initiators, nodes, named, findings);
        self.attached.extend(nodes.iter().map(|_| None));
        let cells = self.initiators.len() * nodes.len();
        self.cells.extend(core::iter::repeat_n(Cell::UNSPECIFIED, cells));
        let mut reader = hmat.reader();
        while let Some(entry) = reader.next(findings) {
            match entry {
                HmatEntry::Attachment(attachment) => self.attach(attachment, nodes, named, findings),
                HmatEntry::Matrix(matrix) if matrix.level == 0 => {
                    self.take_matrix(&matrix, nodes, named, findings);
                }
                HmatEntry::Matrix(_) => {}
                HmatEntry::SideCache(cache) => self.take_cache(&cache, nodes, named, findings),
            }
        }
    }

    /// Of two initiators for one memory the lower is used, so that the order of structures says nothing.
    fn attach(&mut self, attachment: Attachment, nodes: &[Node], named: &Named, findings: &mut dyn Findings) {
        let Attachment { memory: Some(memory), initiator, offset, .. } = attachment else { return };
        check_initiators(&mut initiator.into_iter(), named, offset, findings);
        let node = known_node(memory, nodes, named, offset, findings);
        let known = |&initiator: &_| initiators::find(&self.initiators, initiator).is_some();
        let (Some(node), Some(initiator)) = (node, initiator.filter(known)) else { return };
        let attached = &mut self.attached[node.index()];
        match *attached {
            None => *attached = Some(initiator),
            Some(old) if old == initiator => {}
            Some(old) => {
                let (used, other) = (old.min(initiator), old.max(initiator));
                *attached = Some(used);
                report(HmatFault::InitiatorConflict { memory, used, other }, offset, findings);
            }
        }
    }

    fn take_matrix(
        &mut self,
        matrix: &Matrix<'_>,
        nodes: &[Node],
        named: &Named,
        findings: &mut dyn Findings,
    ) {
        check_initiators(&mut matrix.initiators(), named, matrix.offset, findings);
        let mut unknown = Tally::NONE;
        matrix.targets().filter(|&domain| !named.contains(domain)).for_each(|domain| unknown.add(domain));
        let (mut too_large, mut conflicts) = (Tally::NONE, Tally::NONE);
        for (from, row) in matrix.rows() {
            let Some(initiator) = initiators::find(&self.initiators, from) else { continue };
            for (to, value) in row {
                let Some(node) = node_of(nodes, to) else { continue };
                let (new, is_too_large) = Stored::new(value, matrix);
                if is_too_large {
                    too_large.add((from, to));
                }
                let cell = &mut self.cells[initiator * nodes.len() + node.index()];
                if cell.put(new, matrix.quantity, matrix.direction) && !is_partial(matrix) {
                    conflicts.add((from, to));
                }
            }
        }
        let faults = [
            unknown.fault(|domain, count| HmatFault::MemoryUnknown { domain, count }),
            too_large.fault(|(from, to), count| HmatFault::ValueTooLarge {
                from,
                to,
                used: LARGEST_FIGURE,
                count,
            }),
            conflicts.fault(|(from, to), count| HmatFault::ValueConflict { from, to, count }),
        ];
        faults.into_iter().flatten().for_each(|fault| report(fault, matrix.offset, findings));
    }

    fn take_cache(
        &mut self,
        cache: &acpi_tables::SideCache<'_>,
        nodes: &[Node],
        named: &Named,
        findings: &mut dyn Findings,
    ) {
        let Some(node) = known_node(cache.memory, nodes, named, cache.offset, findings) else { return };
        let new = SideCache {
            node,
            level: cache.level,
            size: cache.size,
            levels: cache.levels,
            associativity: cache.associativity,
            write_policy: cache.write_policy,
            line_size: cache.line_size,
        };
        side_caches::take(&mut self.side_caches, new, nodes, cache.offset, findings);
    }

    /// The initiators, by domain.
    #[must_use]
    pub fn initiators(&self) -> &[Initiator] {
        &self.initiators
    }

    /// How fast the initiator with this index reaches the node's memory; `None` where there is no such initiator or node.
    #[must_use]
    pub fn reach(&self, initiator: usize, to: NodeId) -> Option<Reach> {
        let nodes = self.attached.len();
        if initiator >= self.initiators.len() || to.index() >= nodes {
            return None;
        }
        let cell = self.cells.get(initiator * nodes + to.index())?;
        Some(Reach {
            read_latency_ps: cell.read_latency.figure(),
            write_latency_ps: cell.write_latency.figure(),
            read_bandwidth_mbps: cell.read_bandwidth.figure(),
            write_bandwidth_mbps: cell.write_bandwidth.figure(),
        })
    }

    /// How fast one node's CPUs reach another's memory; `None` where there is no such node, or it has no CPUs.
    #[must_use]
    pub fn between(&self, from: NodeId, to: NodeId) -> Option<Reach> {
        let initiator = self.initiators.iter().position(|initiator| initiator.node == Some(from))?;
        self.reach(initiator, to)
    }

    /// The domain of the initiator that the node's memory is attached to.
    #[must_use]
    pub fn attached_initiator(&self, node: NodeId) -> Option<ProximityDomain> {
        self.attached.get(node.index()).copied().flatten()
    }

    /// The caches in front of memory, by node and level.
    #[must_use]
    pub fn side_caches(&self) -> &[SideCache] {
        &self.side_caches
    }
}

/// Tells which initiators the SRAT does not name, and which of those that it names have nothing that initiates. An empty
/// slot for a CPU is as it should be.
fn check_initiators(
    domains: &mut dyn Iterator<Item = ProximityDomain>,
    named: &Named,
    offset: u32,
    findings: &mut dyn Findings,
) {
    let (mut unknown, mut idle) = (Tally::NONE, Tally::NONE);
    for domain in domains {
        if !named.contains(domain) {
            unknown.add(domain);
        } else if !named.may_initiate(domain) {
            idle.add(domain);
        }
    }
    let unknown = unknown.fault(|domain, count| HmatFault::InitiatorUnknown { domain, count });
    let idle = idle.fault(|domain, count| HmatFault::InitiatorIdle { domain, count });
    [unknown, idle].into_iter().flatten().for_each(|fault| report(fault, offset, findings));
}

/// The node that this memory's domain is; a domain that the SRAT does not name is told.
fn known_node(
    memory: ProximityDomain,
    nodes: &[Node],
    named: &Named,
    offset: u32,
    findings: &mut dyn Findings,
) -> Option<NodeId> {
    let node = node_of(nodes, memory);
    if node.is_none() && !named.contains(memory) {
        report(HmatFault::MemoryUnknown { domain: memory, count: 1 }, offset, findings);
    }
    node
}

/// Reports something at a structure of the HMAT.
pub(crate) fn report(fault: HmatFault, offset: u32, findings: &mut dyn Findings) {
    findings.report(Finding::new(Signature::HMAT, offset, What::Hmat(fault)));
}
