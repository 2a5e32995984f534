//! The distance between any two nodes: the SLIT's if it is valid, otherwise 10 or 20.
use acpi_tables::{Finding, Findings, Signature, Slit, SlitFault};
use arrayvec::ArrayVec;
use units::{MAX_NODES, ProximityDomain};

use crate::Node;

/// The distance from a node to itself (ACPI 6.5 §5.2.17).
pub const LOCAL_DISTANCE: u8 = 10;
/// The distance to another node if the SLIT gives none: twice the local distance, as in Linux.
pub const REMOTE_DISTANCE: u8 = 20;

/// The distances, with one row for each node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Distances {
    matrix: ArrayVec<u8, { MAX_NODES * MAX_NODES }>,
    node_count: usize,
    from_slit: bool,
}

impl Distances {
    pub const EMPTY: Self = Self { matrix: ArrayVec::new_const(), node_count: 0, from_slit: false };

    /// Returns the distance between the nodes with these indices.
    pub fn get(&self, from: usize, to: usize) -> Option<u8> {
        if from >= self.node_count || to >= self.node_count {
            return None;
        }
        self.matrix.get(from * self.node_count + to).copied()
    }

    /// Returns true if a SLIT gave any distance between two nodes, or the only node's distance to itself.
    pub const fn are_from_slit(&self) -> bool {
        self.from_slit
    }

    /// Replaces the distances by those between these nodes.
    pub fn read(&mut self, nodes: &[Node], slit: Option<&Slit<'_>>, findings: &mut dyn Findings) {
        self.matrix.clear();
        self.node_count = nodes.len();
        self.from_slit = false;
        for from in nodes {
            match slit {
                Some(slit) => self.read_row(from, nodes, slit, findings),
                None => self.matrix.extend(nodes.iter().map(|to| presumed(from.domain, to.domain))),
            }
        }
    }

    /// Appends the distances from one node, and reports invalid ones.
    fn read_row(&mut self, from: &Node, nodes: &[Node], slit: &Slit<'_>, findings: &mut dyn Findings) {
        let domain = from.domain;
        if u64::from(domain.0) >= slit.localities() {
            let fault = SlitFault::Domain { domain, localities: slit.localities() };
            findings.report(Finding::new(Signature::SLIT, 0, fault));
        }
        let mut wrong = None;
        for to in nodes {
            let presumed = presumed(domain, to.domain);
            let written = slit.distance(domain, to.domain);
            let distance = match written {
                Some(distance) if is_valid(distance, domain, to.domain) => {
                    // A node's distance to itself is always 10, so it counts only if there is no other node.
                    self.from_slit |= domain != to.domain || nodes.len() == 1;
                    distance
                }
                Some(distance) if domain == to.domain => {
                    report(slit, domain, domain, SlitFault::Diagonal { domain, distance }, findings);
                    presumed
                }
                Some(distance) => {
                    let (to, distance, count) = wrong.unwrap_or((to.domain, distance, 0));
                    wrong = Some((to, distance, count + 1));
                    presumed
                }
                None => presumed,
            };
            self.matrix.push(distance);
        }
        if let Some((to, distance, count)) = wrong {
            report(slit, domain, to, SlitFault::Distance { from: domain, to, distance, count }, findings);
        }
    }
}

/// Returns the distance from a domain to another one, which need not be a node: the SLIT's if it is valid.
pub fn distance_to_domain(from: ProximityDomain, to: ProximityDomain, slit: Option<&Slit<'_>>) -> u8 {
    let written = slit.and_then(|slit| slit.distance(from, to));
    written.filter(|&distance| is_valid(distance, from, to)).unwrap_or(presumed(from, to))
}

/// Returns true if a distance is 10 for a domain to itself, or at least 10 otherwise. 255 means unreachable and is valid.
fn is_valid(distance: u8, from: ProximityDomain, to: ProximityDomain) -> bool {
    if from == to { distance == LOCAL_DISTANCE } else { distance >= LOCAL_DISTANCE }
}

/// Returns the distance to use if the SLIT gives none.
fn presumed(from: ProximityDomain, to: ProximityDomain) -> u8 {
    if from == to { LOCAL_DISTANCE } else { REMOTE_DISTANCE }
}

fn report(
    slit: &Slit<'_>,
    from: ProximityDomain,
    to: ProximityDomain,
    fault: SlitFault,
    findings: &mut dyn Findings,
) {
    findings.report(Finding::new(Signature::SLIT, slit.offset(from, to), fault));
}
