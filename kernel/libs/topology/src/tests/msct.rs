//! Tests of the MSCT: its limits, which influence nothing, and its contradictions.
use acpi_tables::Action::{Dropped, Refused};
use acpi_tables::builder::{TableBuilder, latency_and_bandwidth, msct_domains};
use acpi_tables::wire::MsctProximityDomains;
use std::vec::Vec;
use units::PhysAddr;

use super::machine::*;
use crate::{Limits, NumaMode};

/// The highest address of the two-node machine's memory.
const LAST: u64 = 512 * MIB - 1;

/// Returns the two-node machine with an MSCT of these limits.
fn machine(domains: u32, address: u64, entries: &[MsctProximityDomains]) -> Machine {
    let msct = TableBuilder::msct(domains, 2, address).entries(entries.iter().copied()).build();
    Machine { msct: Some(msct), ..Machine::two_nodes() }
}

#[test]
fn the_limits_of_an_msct_are_kept_and_influence_nothing() {
    let machine = machine(4, 0xffff_ffff, &[msct_domains(3, 2, 1, 1)]);
    let (topology, reported) = machine.build();
    let limits = Limits { domains: 4, clock_domains: 2, address: PhysAddr(0xffff_ffff) };
    assert_eq!((topology.limits(), reported), (Some(limits), [(56, "msct.domains", Dropped)].to_vec()));
    assert_eq!(topology.nodes(), Machine::two_nodes().build().0.nodes());
    assert_eq!(Machine::two_nodes().build().0.limits(), None);
}

#[test]
fn contradictions_are_reported_at_the_limit() {
    let both = [msct_domains(0, 1, 2, 256 * MIB)];
    let one = |cpus, memory| [msct_domains(0, 0, 2, 256 * MIB), msct_domains(1, 1, cpus, memory)];
    for (domains, address, entries, offsets) in [
        (2, LAST, &[][..], &[][..]),
        (2, LAST, &both, &[]),
        (u32::MAX, u64::MAX, &both, &[]),
        // More nodes than the limit, and then more domains than the limit.
        (1, LAST, &[], &[40]),
        (1, LAST, &both, &[40, 40]),
        (2, LAST, &[msct_domains(0, 2, 2, 256 * MIB)], &[40]),
        (2, LAST - 1, &both, &[48]),
        (2, LAST, &one(1, 256 * MIB), &[78]),
        (2, LAST, &one(2, 256 * MIB - 1), &[78]),
        (2, LAST, &one(0, 0), &[78, 78]),
        // Domain 1 is in no range, and then in two.
        (2, LAST, &[msct_domains(0, 0, 2, 256 * MIB)], &[0]),
        (3, LAST, &[both[0], msct_domains(1, 1, 0, 0)], &[78]),
    ] {
        let (_, reported) = machine(domains, address, entries).build();
        let expected: Vec<_> = offsets.iter().map(|&offset| (offset, "msct.conflict", Dropped)).collect();
        assert_eq!(reported, expected, "{domains} {address:#x} {entries:?}");
    }
}

#[test]
fn limits_are_compared_only_with_nodes_of_the_srat() {
    let mut machine = machine(1, 0, &[msct_domains(5, 5, 0, 0)]);
    for numa in [NumaMode::Off, NumaMode::Fake(crate::FakeNodes::Count(3))] {
        assert_eq!(Machine { numa, ..machine.clone() }.build().1, []);
    }
    (machine.srat, machine.slit) = (None, None);
    assert_eq!(machine.build().1, []);
}

#[test]
fn a_slit_and_an_hmat_without_a_usable_srat_are_reported() {
    let hmat = TableBuilder::hmat(2).entry(&latency_and_bandwidth(0, 1000, &[0], &[0], &[9])[..]).build();
    let mut machine = Machine { hmat: Some(hmat), srat: None, ..Machine::two_nodes() };
    let unused = [(0, "slit.srat", Refused), (0, "hmat.srat", Refused)];
    assert_eq!(machine.build().1, unused);
    machine.srat = Some(TableBuilder::srat(3).build());
    assert_eq!(machine.build().1, [&[(0, "srat.empty", Refused)], &unused[..]].concat());
    // A broken SLIT has its own findings, too.
    machine.srat = None;
    machine.slit = Some(TableBuilder::slit(2, &[10]).build());
    assert_eq!(machine.build().1[..2], [(36, "slit.size", acpi_tables::Action::Repaired), unused[0]]);
    // The parameter says that firmware's nodes are not wanted.
    machine.numa = NumaMode::Off;
    machine.slit = Machine::two_nodes().slit;
    assert_eq!(machine.build().1, []);
}
