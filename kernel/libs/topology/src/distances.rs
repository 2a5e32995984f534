//! The distance between any two nodes: the SLIT's where it has a sound one, else 10 and 20.
use acpi_tables::{Finding, Findings, Signature, Slit, What};
use arrayvec::ArrayVec;
use units::{MAX_NODES, ProximityDomain};

use crate::Node;

/// From a node to itself (ACPI 6.5 §5.2.17).
pub const LOCAL_DISTANCE: u8 = 10;
/// To another node where nothing is known: twice as far, as Linux takes it.
pub const REMOTE_DISTANCE: u8 = 20;

/// The distances, a row for each node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Distances {
    matrix: ArrayVec<u8, { MAX_NODES * MAX_NODES }>,
    node_count: usize,
    from_slit: bool,
}

impl Distances {
    pub const EMPTY: Self = Self { matrix: ArrayVec::new_const(), node_count: 0, from_slit: false };

    /// The distance between nodes with these indices.
    pub fn get(&self, from: usize, to: usize) -> Option<u8> {
        if from >= self.node_count || to >= self.node_count {
            return None;
        }
        self.matrix.get(from * self.node_count + to).copied()
    }

    /// Whether any distance between two nodes is a SLIT's; of a single node, the one from itself.
    pub const fn are_from_slit(&self) -> bool {
        self.from_slit
    }

    /// Measures these nodes anew.
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

    fn read_row(&mut self, from: &Node, nodes: &[Node], slit: &Slit<'_>, findings: &mut dyn Findings) {
        let domain = from.domain;
        if u64::from(domain.0) >= slit.localities() {
            let what = What::SlitDomain { domain, localities: slit.localities() };
            findings.report(Finding::new(Signature::SLIT, 0, what));
        }
        let mut wrong = None;
        for to in nodes {
            let presumed = presumed(domain, to.domain);
            let written = slit.distance(domain, to.domain);
            let distance = match written {
                Some(distance) if is_sound(distance, domain, to.domain) => {
                    // That a node is 10 from itself says nothing of the others.
                    self.from_slit |= domain != to.domain || nodes.len() == 1;
                    distance
                }
                Some(distance) if domain == to.domain => {
                    report(slit, domain, domain, What::SlitDiagonal { domain, distance }, findings);
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
            report(slit, domain, to, What::SlitDistance { from: domain, to, distance, count }, findings);
        }
    }
}

/// A domain is 10 from itself, and values under 10 mean nothing. 255, unreachable, is as good as any.
fn is_sound(distance: u8, from: ProximityDomain, to: ProximityDomain) -> bool {
    if from == to { distance == LOCAL_DISTANCE } else { distance >= LOCAL_DISTANCE }
}

fn presumed(from: ProximityDomain, to: ProximityDomain) -> u8 {
    if from == to { LOCAL_DISTANCE } else { REMOTE_DISTANCE }
}

fn report(
    slit: &Slit<'_>,
    from: ProximityDomain,
    to: ProximityDomain,
    what: What,
    findings: &mut dyn Findings,
) {
    findings.report(Finding::new(Signature::SLIT, slit.offset(from, to), what));
}
