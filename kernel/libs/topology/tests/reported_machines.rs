//! Tests of tables that were rebuilt from public bug reports, each with the memory map of the machine in the report.
use std::fs;
use std::path::Path;

use acpi_tables::Finding;
use topology::{Figure, Inputs, NumaTopology};
use units::{NodeId, PhysRange};

const MIB: u64 = 1 << 20;

/// What a machine's tables come to.
struct Read {
    topology: Box<NumaTopology>,
    rules: Vec<&'static str>,
}

/// Reads the tables in a file, or returns `None` without the collection of tables.
fn read(file: &str, ram: &[PhysRange], known: &[PhysRange]) -> Option<Read> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/tables/reports"));
    let Ok(bytes) = fs::read(root.join(file)) else {
        println!("{file}: skipped: there is no ../shared/tables");
        return None;
    };
    let mut rest = &bytes[..];
    let mut tables = Vec::new();
    while let Some(length) = rest.get(4..8) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        let (table, next) = rest.split_at(length);
        tables.push(table);
        rest = next;
    }
    let mut rules = Vec::new();
    let mut findings = |finding: Finding| rules.push(finding.rule.id());
    let inputs = Inputs { ram, known, ..Inputs::from_tables(tables.iter().copied(), &mut findings) };
    let topology = Box::new(NumaTopology::build(&inputs, &mut findings));
    Some(Read { topology, rules })
}

/// Returns all ranges as (start, end, domain) in MiB.
fn ranges(topology: &NumaTopology) -> Vec<(u64, u64, u32)> {
    let domain = |node| topology.node(node).unwrap().domain.0;
    let ranges = topology.ranges().iter();
    ranges.map(|it| (it.range.start.0 / MIB, it.range.end.0 / MIB, domain(it.node))).collect()
}

#[test]
fn ram_that_is_flagged_non_volatile_is_its_own_domains() {
    let Some(Read { topology, rules }) =
        read("q_nv_wrong_node_SRAT.bin", &[PhysRange::new(0, 1024 * MIB)], &[])
    else {
        return;
    };
    assert_eq!(ranges(&topology), [(0, 512, 0), (512, 768, 1), (768, 1024, 0)]);
    assert_eq!(rules, [""; 0]);
}

#[test]
fn a_hot_pluggable_window_takes_no_ram_from_its_neighbour() {
    let Some(Read { topology, rules }) = read("q_hot_steals_SRAT.bin", &[PhysRange::new(0, 1024 * MIB)], &[])
    else {
        return;
    };
    assert_eq!(ranges(&topology), [(0, 768, 0), (768, 1024, 1)]);
    assert_eq!(rules, ["srat.memory.conflict", "srat.memory.overlap"]);
}

#[test]
fn memory_of_enclaves_is_no_memory_and_no_finding() {
    for (file, end) in [("q_sgx_epc_SRAT.bin", 1024 * MIB), ("ch_sgx.bin", 2048 * MIB)] {
        let ram = [PhysRange::new(0, end)];
        let enclaves = PhysRange::new(0x3fff_f3fe_f000, 0x3fff_fffe_f000);
        let Some(Read { topology, rules }) = read(file, &ram, &[ram[0], enclaves]) else { return };
        let middle = end / MIB / 2;
        assert_eq!(ranges(&topology), [(0, middle, 0), (middle, end / MIB, 1)]);
        assert_eq!(rules, [""; 0]);
    }
}

#[test]
fn an_hmat_of_revision_1_gives_76_ns_and_17900_mb_per_second() {
    let Some(Read { topology, rules }) = read("hmat_icelake.bin", &[], &[]) else { return };
    let reach = topology.performance().unwrap().reach(0, NodeId::ZERO).unwrap();
    let figures = [reach.read_latency_ps, reach.read_bandwidth_mbps].map(|figure| match figure {
        Figure::Known(value) => value,
        other => panic!("{other:?}"),
    });
    assert_eq!((figures, rules), ([76_000, 17_900], vec![]));
}

#[test]
fn zeros_behind_the_entries_cost_one_finding() {
    let Some(Read { topology, rules }) = read("srat_tail64.bin", &[], &[]) else { return };
    assert_eq!((ranges(&topology), rules), (vec![(0, 3968, 0)], vec!["srat.entry.length"]));
}
