//! Latency and bandwidth from each initiator to each node's memory, read from the HMAT.
use acpi_tables::{Attachment, Findings, Hmat, HmatEntry, HmatFault, Matrix};
use arrayvec::ArrayVec;
use units::{MAX_NODES, NodeId, ProximityDomain};

use crate::cell::{Cell, Reach};
use crate::figure::{LARGEST_FIGURE, Stored, is_partial};
use crate::hmat_findings::{Tally, check_initiators, known_node, report};
use crate::initiators::{self, Initiators, Named, node_of};
use crate::ports::Ports;
use crate::side_caches::{self, SideCaches};
use crate::{Device, Initiator, Node, SideCache};

/// Latency and bandwidth from initiators to memory, the initiators that memory is attached to, and side caches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Performance {
    is_known: bool,
    initiators: Initiators,
    /// One row for each initiator, with one cell for each node.
    cells: ArrayVec<Cell, { MAX_NODES * MAX_NODES }>,
    /// The attached initiator of each node's memory.
    attached: ArrayVec<Option<ProximityDomain>, MAX_NODES>,
    side_caches: SideCaches,
    ports: Ports,
}

impl Performance {
    pub(crate) const EMPTY: Self = Self {
        is_known: false,
        initiators: ArrayVec::new_const(),
        cells: ArrayVec::new_const(),
        attached: ArrayVec::new_const(),
        side_caches: ArrayVec::new_const(),
        ports: Ports::EMPTY,
    };

    pub(crate) const fn is_known(&self) -> bool {
        self.is_known
    }

    /// Replaces the values by those that an HMAT gives for these nodes.
    pub(crate) fn read(
        &mut self,
        nodes: &[Node],
        named: &Named,
        devices: &[Device],
        hmat: Option<&Hmat<'_>>,
        findings: &mut dyn Findings,
    ) {
        self.is_known = hmat.is_some();
        self.initiators.clear();
        self.cells.clear();
        self.attached.clear();
        self.side_caches.clear();
        self.ports.reset(&[], 0);
        let Some(hmat) = hmat else { return };
        initiators::read(&mut self.initiators, nodes, named, findings);
        self.attached.extend(nodes.iter().map(|_| None));
        let cells = self.initiators.len() * nodes.len();
        self.cells.extend(core::iter::repeat_n(Cell::UNSPECIFIED, cells));
        self.ports.reset(devices, self.initiators.len());
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

    /// Takes the initiator that a node's memory is attached to.
    ///
    /// Of two initiators, the lower domain is used, so that the result does not depend on the order of the structures.
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

    /// Takes the values of a matrix for memory itself.
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
                // A domain may be both a node and a port's.
                let cell = node_of(nodes, to).map(|node| initiator * nodes.len() + node.index());
                let cell = cell.and_then(|index| self.cells.get_mut(index));
                let cells = [cell, self.ports.cell_mut(initiator, to)];
                if cells.iter().all(Option::is_none) {
                    continue;
                }
                let (new, is_too_large) = Stored::new(value, matrix);
                if is_too_large {
                    too_large.add((from, to));
                }
                let mut conflict = false;
                for cell in cells.into_iter().flatten() {
                    conflict |= cell.put(new, matrix.quantity, matrix.direction);
                }
                if conflict && !is_partial(matrix) {
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

    /// Takes a side cache.
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

    /// Returns the initiators, ordered by domain.
    #[must_use]
    pub fn initiators(&self) -> &[Initiator] {
        &self.initiators
    }

    /// Returns latency and bandwidth from the initiator with this index to a node's memory.
    ///
    /// Returns `None` if there is no such initiator or node.
    #[must_use]
    pub fn reach(&self, initiator: usize, to: NodeId) -> Option<Reach> {
        let nodes = self.attached.len();
        if initiator >= self.initiators.len() || to.index() >= nodes {
            return None;
        }
        self.cells.get(initiator * nodes + to.index()).map(Cell::reach)
    }

    /// Returns the domains of generic ports, ascending.
    #[must_use]
    pub fn ports(&self) -> &[ProximityDomain] {
        self.ports.domains()
    }

    /// Returns latency and bandwidth from the initiator with this index to a domain's generic ports.
    ///
    /// Returns `None` if there is no such initiator or no port in the domain.
    #[must_use]
    pub fn reach_port(&self, initiator: usize, port: ProximityDomain) -> Option<Reach> {
        self.ports.reach(initiator, port)
    }

    /// Returns latency and bandwidth from one node's CPUs to another node's memory.
    ///
    /// Returns `None` if there is no such node, or if `from` has no CPUs.
    #[must_use]
    pub fn between(&self, from: NodeId, to: NodeId) -> Option<Reach> {
        let initiator = self.initiators.iter().position(|initiator| initiator.node == Some(from))?;
        self.reach(initiator, to)
    }

    /// Returns the domain of the initiator that the node's memory is attached to.
    #[must_use]
    pub fn attached_initiator(&self, node: NodeId) -> Option<ProximityDomain> {
        self.attached.get(node.index()).copied().flatten()
    }

    /// Returns the caches in front of memory, ordered by node and level.
    #[must_use]
    pub fn side_caches(&self) -> &[SideCache] {
        &self.side_caches
    }
}
