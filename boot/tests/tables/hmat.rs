//! HMATs and an MSCT beside a sound SRAT of two nodes: a faulty structure is lost, and the others are used.
use acpi_tables::builder::{TableBuilder, attachment, latency_and_bandwidth, msct_domains, side_cache};
use serde_json::{Value, json};
use units::ProximityDomain;

use crate::injected::{Reported, TWO_NODES, assert_reported, assert_understood, boot_with, two_nodes};

/// Asserts what the topology event says of latency and bandwidth with this HMAT, and that exactly these findings are reported.
#[track_caller]
fn performance(hmat: TableBuilder, reported: &[Reported<'_>]) -> Value {
    let run = boot_with(&[two_nodes().build(), hmat.build()]);
    assert_reported(&run, reported);
    run.events.iter().find(|event| event["event"] == "topology").unwrap()["performance"].clone()
}

/// Read latencies, in multiples of 1000 ps.
fn read_latencies(targets: &[u32], values: &[u16]) -> Vec<u8> {
    latency_and_bandwidth(1, 1000, &[0, 1], targets, values)
}

#[test]
fn a_sound_table_is_kept_as_it_is() {
    let hmat = TableBuilder::hmat(2)
        .entry(&attachment(ProximityDomain(0), Some(ProximityDomain(0))))
        .entry(&read_latencies(&[0, 1], &[100, 0xffff, 0, 90])[..])
        .entry(&side_cache(ProximityDomain(1), 1 << 30, [1, 1, 1, 1], 64, &[])[..]);
    let performance = performance(hmat, &[]);
    assert_eq!(performance["read_latency_ps"], json!([[100_000, -1], [null, 90_000]]));
    assert_eq!(performance["attached"], json!([0, null]));
    assert_eq!(performance["side_caches"][0]["size"], 1 << 30);
}

#[test]
fn values_for_domains_that_there_are_not_cost_themselves() {
    let hmat = TableBuilder::hmat(2).entry(&read_latencies(&[0, 77], &[100, 1, 110, 2])[..]);
    let performance = performance(hmat, &[("hmat.domain", "dropped")]);
    assert_eq!(performance["read_latency_ps"], json!([[100_000, null], [110_000, null]]));
}

#[test]
fn counts_that_multiply_past_the_table_cost_what_is_not_there() {
    let mut huge = read_latencies(&[0, 1], &[100, 110]);
    huge[12..20].copy_from_slice(&[0xff; 8]);
    let hmat = TableBuilder::hmat(2).entry(&huge[..]).entry(&read_latencies(&[0, 1], &[100, 110])[..]);
    let reported = [("hmat.matrix.size", "dropped"), ("hmat.matrix.size", "mended")];
    let performance = performance(hmat, &reported);
    assert_eq!(performance["read_latency_ps"], json!([[100_000, 110_000], [null, null]]));
}

#[test]
fn the_largest_unit_there_is_overflows_nothing() {
    let hmat = TableBuilder::hmat(2)
        .entry(&latency_and_bandwidth(3, u64::MAX, &[0], &[1], &[0xfffe])[..])
        .entry(&latency_and_bandwidth(0, 0, &[0], &[1], &[1])[..]);
    let performance = performance(hmat, &[("hmat.value", "mended"), ("hmat.unit", "dropped")]);
    let largest = (1 << 30) - 2;
    assert_eq!(performance["write_bandwidth_mbps"], json!([[null, largest], [null, null]]));
}

#[test]
fn a_structure_of_length_0_costs_what_follows_it() {
    let mut endless = read_latencies(&[0, 1], &[100, 110, 120, 130]);
    let sound = TableBuilder::hmat(2).entry(&endless[..]);
    endless[4..8].copy_from_slice(&[0; 4]);
    let performance =
        performance(sound.entry(&endless[..]).entry(&[9u8; 8]), &[("hmat.entry.length", "dropped")]);
    assert_eq!(performance["read_latency_ps"], json!([[100_000, 110_000], [120_000, 130_000]]));
}

#[test]
fn limits_that_mean_nothing_change_nothing() {
    let msct = TableBuilder::msct(u32::MAX, 0, 0).entry(&msct_domains(2, 1, 0, 0));
    let told = [("msct.domains", "dropped"), ("msct.conflict", "dropped")];
    assert_understood(&[two_nodes(), msct], &told, TWO_NODES, &[]);
}
