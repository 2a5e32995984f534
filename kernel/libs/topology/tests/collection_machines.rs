//! Tests that every machine of the collection becomes the topology that its tables describe, and that only faulty tables
//! have findings.
#[path = "../../acpi-tables/tests/collection/mod.rs"]
mod collection;

use std::collections::{BTreeMap, BTreeSet};

use acpi_tables::Finding;
use collection::Table;
use topology::{Figure, Inputs, NumaTopology, Source};
use units::{NodeId, PhysAddr};

/// The rule ids of the faulty machines' findings. Other machines have none.
const FAULTY: &[(&str, &[&str])] = &[
    // Three entries, then one of length 0, which hides three of the four CPUs.
    ("gen__inject_srat_zero_length", &["srat.entry.length", "srat.cpu.missing"]),
    ("gen__inject_srat_overlap", &["srat.memory.conflict", "srat.cpu.missing"]),
    // Domains 5 and 300 in a SLIT of one locality.
    ("gen__inject_pxm_holes_0_5_300", &["slit.domain"]),
    ("gen__inject_slit_short", &["slit.size", "srat.cpu.missing"]),
    ("gen__inject_slit_badval", &["slit.distance", "slit.diagonal", "srat.cpu.missing"]),
    // These SRATs name fewer CPUs than QEMU's own MADT has.
    ("gen__inject_bad_checksum", &["srat.cpu.missing"]),
    ("gen__inject_len_lies", &["srat.cpu.missing"]),
    ("gen__inject_dup_srat", &["table.duplicate"]),
    ("gen__inject_madt_dup_apicid", &["table.duplicate"]),
    // One locality, but room for a matrix of eight.
    ("linuxhw__Desktop_EVGA_X299_X299_MICRO_4B645993A72D", &["slit.size"]),
];

/// Returns the tables of each machine.
fn machines() -> BTreeMap<String, Vec<Table>> {
    let mut machines = BTreeMap::<_, Vec<Table>>::new();
    for table in collection::read() {
        let machine =
            table.file.split(&format!("__{}", table.signature)).next().unwrap_or_default().to_string();
        machines.entry(machine).or_default().push(table);
    }
    machines
}

#[test]
fn each_machine_has_the_nodes_cpus_memory_and_distances_of_the_index() {
    for (machine, tables) in &machines() {
        let mut reported = BTreeSet::new();
        let mut findings = |finding: Finding| {
            reported.insert(finding.rule.id());
        };
        let bytes = || tables.iter().map(|table| &table.bytes[..]);
        let inputs = Inputs::from_tables(bytes(), &mut findings);
        let topology = NumaTopology::build(&inputs, &mut findings);
        let expected =
            FAULTY.iter().find(|(faulty, _)| faulty == machine).map_or(&[][..], |(_, rules)| rules);
        let first = |signature: &str| tables.iter().find(|table| table.signature == signature);
        // Of some machines, only a SLIT or an HMAT is in the collection.
        let unused = [("SLIT", "slit.srat"), ("HMAT", "hmat.srat")];
        let unused = unused.iter().filter(|(table, _)| first("SRAT").is_none() && first(table).is_some());
        let expected = expected.iter().copied().chain(unused.map(|&(_, rule)| rule));
        assert_eq!(reported, expected.collect(), "{machine}");

        check_nodes(machine, &topology, first("SRAT"), first("APIC"));
        check_distances(machine, &topology, first("SLIT"));
    }
}

fn check_nodes(machine: &str, topology: &NumaTopology, srat: Option<&Table>, madt: Option<&Table>) {
    let enabled =
        madt.or(srat).and_then(|table| table.number("enabled_cpus").or(table.number("cpus"))).unwrap_or(0);
    assert_eq!(topology.cpus().len() as u64, enabled, "{machine}");
    let Some(srat) = srat else {
        assert_eq!((topology.source(), topology.node_count()), (Source::None, 1), "{machine}");
        return;
    };
    assert_eq!(topology.source(), Source::Srat, "{machine}");
    let bytes: u64 = topology.nodes().iter().map(|node| node.memory_size).sum();
    // The index counts overlaps twice and also counts persistent memory, so its sum does not apply to such machines.
    if srat.number("nvm") == Some(0) && !machine.contains("overlap") {
        assert_eq!(Some(bytes >> 20), srat.number("mem_MiB"), "{machine}");
    }
    let domains: BTreeSet<u32> = topology.nodes().iter().map(|node| node.domain.0).collect();
    match (srat.numbers("mem_pxm"), srat.numbers("cpu_pxm")) {
        (Some(memory), Some(cpus)) => {
            // Domains with only absent CPUs are no nodes. In these machines such domains also have memory.
            assert_eq!(domains, memory.into_iter().chain(cpus).collect(), "{machine}");
        }
        _ => assert_eq!(Some(domains.len() as u64), srat.number("mem_pxm#"), "{machine}"),
    }
}

/// Checks that the topology has the SLIT's valid distances, and the defaults for others.
fn check_distances(machine: &str, topology: &NumaTopology, slit: Option<&Table>) {
    let Some((localities, matrix)) = slit.and_then(|slit| Some((slit.number("localities")?, slit.matrix()?)))
    else {
        return;
    };
    for (from, to) in
        topology.nodes().iter().flat_map(|from| topology.nodes().iter().map(move |to| (from, to)))
    {
        let index = u64::from(from.domain.0) * localities + u64::from(to.domain.0);
        let within = u64::from(from.domain.0.max(to.domain.0)) < localities;
        let written = matrix.get(index as usize).copied().filter(|_| within);
        let presumed = if from.id == to.id { 10 } else { 20 };
        let is_valid = |distance: &u8| if from.id == to.id { *distance == 10 } else { *distance >= 10 };
        let expected = written.filter(is_valid).unwrap_or(presumed);
        assert_eq!(topology.distance(from.id, to.id), Some(expected), "{machine}: {} to {}", from.id, to.id);
    }
}

/// Checks parts of topologies against the QEMU command lines in the index.
#[test]
fn known_machines_have_the_topology_of_their_command_line() {
    let machines = machines();
    if machines.is_empty() {
        return;
    }
    let build = |machine: &str| {
        let bytes = || machines[machine].iter().map(|table| &table.bytes[..]);
        let mut ignore = |_: Finding| {};
        let inputs = Inputs::from_tables(bytes(), &mut ignore);
        // Several topologies do not fit on a test's stack.
        Box::new(NumaTopology::build(&inputs, &mut ignore))
    };
    let node = |index| NodeId::new(index).unwrap();

    let overlap = build("gen__inject_srat_overlap");
    assert_eq!(overlap.node_of_address(PhysAddr(0x1fff_ffff)), Some(node(0)));
    assert_eq!(overlap.node_of_address(PhysAddr(0x2000_0000)), Some(node(1)));

    let ring = build("gen__q35_4node_asym_ring");
    assert_eq!(ring.fallback(node(1)), [1, 2, 3, 0].map(node));
    assert_eq!(ring.distance(node(0), node(3)), Some(40));

    let mixed = build("gen__q35_4node_mixed");
    assert_eq!(mixed.nodes().iter().map(|node| node.domain.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(mixed.fallback(node(1)), [0, 2].map(node), "node 1 has no memory");

    let hot_plug = build("gen__q35_maxcpus_hotplug");
    assert_eq!(hot_plug.nodes().iter().map(|node| node.cpu_count).collect::<Vec<_>>(), [2, 0]);

    let slots = build("gen__q35_nvdimm_dimm_mix");
    let hot: Vec<_> =
        slots.ranges().iter().filter(|range| range.hot_pluggable).map(|range| range.node).collect();
    assert_eq!(hot, [node(2)], "without a memory map empty slots are listed");
}

/// Checks latencies and bandwidths against the QEMU command lines.
#[test]
fn known_machines_have_the_latency_and_bandwidth_of_their_command_line() {
    let machines = machines();
    if machines.is_empty() {
        return;
    }
    let reaches = |machine: &str| {
        let bytes = || machines[machine].iter().map(|table| &table.bytes[..]);
        let mut findings = |finding: Finding| panic!("{machine}: {finding}");
        let inputs = Inputs::from_tables(bytes(), &mut findings);
        let topology = NumaTopology::build(&inputs, &mut findings);
        let performance = topology.performance().expect("an HMAT");
        let nodes = || topology.nodes().iter().map(|node| node.id);
        let pairs = nodes().flat_map(|from| nodes().map(move |to| (from, to)));
        let known = |figure| if let Figure::Known(value) = figure { value } else { 0 };
        let reaches = pairs.filter_map(|(from, to)| performance.between(from, to)).map(|reach| {
            let latency = (known(reach.read_latency_ps), known(reach.write_latency_ps));
            (latency, (known(reach.read_bandwidth_mbps), known(reach.write_bandwidth_mbps)))
        });
        let attached = nodes().map(|node| performance.attached_initiator(node).map(|domain| domain.0));
        let caches = performance.side_caches().iter().map(|cache| (cache.node.index(), cache.size));
        (reaches.collect::<Vec<_>>(), attached.collect::<Vec<_>>(), caches.collect::<Vec<_>>())
    };
    let home = ((10_000, 10_000), (10_240, 10_240));
    let away = ((20_000, 20_000), (5_120, 5_120));
    let two =
        ([home, away, away, home].to_vec(), [Some(0), Some(1)].to_vec(), [(0, 10_240), (1, 10_240)].to_vec());
    assert_eq!(reaches("gen__q35_hmat_2node"), two);

    let (four, attached, _) = reaches("gen__q35_hmat_4node_rw");
    assert_eq!(four[0], ((100_000, 120_000), (100 << 10, 80 << 10)));
    assert_eq!(four[3], ((190_000, 210_000), (40 << 10, 20 << 10)));
    assert_eq!(attached, [Some(0), Some(1), Some(2), Some(3)]);

    let (rows, attached, _) = reaches("gen__q35_hmat_cpuless_target");
    assert_eq!(rows, [((5_000, 5_000), (200, 200)), ((10_000, 10_000), (100, 100))]);
    assert_eq!(attached, [Some(0), Some(0)]);
}
