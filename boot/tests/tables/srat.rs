//! SRATs: a faulty entry is lost, and the others are used.
use acpi_tables::DeviceHandle;
use acpi_tables::builder::{TableBuilder, generic_initiator, memory_affinity};
use acpi_tables::wire::{SratMemoryAffinity, SratProcessorAffinity};
use boot::event::Memory;
use units::ProximityDomain;

use crate::common::{ExpectedNode as N, GIB, MIB};
use crate::injected::{
    REST, Reported, TWO_NODES, assert_one_node, assert_reported, assert_understood, boot_with, cpu, cpus_in,
    memory, two_nodes,
};

const LENGTH_DROPPED: Reported<'_> = ("srat.entry.length", "dropped");
const LENGTH_MENDED: Reported<'_> = ("srat.entry.length", "mended");
const CPU_MISSING: Reported<'_> = ("srat.cpu.missing", "mended");
const UNCOVERED: Reported<'_> = ("srat.memory.uncovered", "mended");
const EMPTY: Reported<'_> = ("srat.empty", "refused");

/// Asserts that the machine still has two nodes, and that exactly these findings are reported.
#[track_caller]
fn assert_two_nodes(srat: TableBuilder, reported: &[Reported<'_>]) {
    assert_understood(&[srat], reported, TWO_NODES, &[]);
}

#[test]
fn a_sound_table_has_no_findings() {
    assert_two_nodes(two_nodes(), &[]);
}

#[test]
fn sparse_domains_become_dense_nodes() {
    let srat = cpus_in(3, 300, 5).entry(&memory(0, 256, 5)).entry(&memory(256, 256, 300));
    let nodes = [N(5, &[2, 3], &[(0, 256 * MIB)]), N(300, &[0, 1], &[(256 * MIB, 256 * MIB)])];
    assert_understood(&[srat], &[], &nodes, &[]);
}

#[test]
fn an_entry_of_length_0_at_the_end_costs_nothing_else() {
    assert_two_nodes(two_nodes().entry(&[1u8, 0]), &[LENGTH_DROPPED]);
}

#[test]
fn an_entry_of_length_0_at_the_start_leaves_one_node() {
    let srat =
        TableBuilder::srat(3).entry(&[1u8, 0]).entries([cpu(0, 0), cpu(2, 1)]).entry(&memory(0, 512, 1));
    assert_one_node(&[srat.build()], &[LENGTH_DROPPED, EMPTY]);
}

#[test]
fn an_entry_of_length_1_costs_what_follows_it() {
    let srat = cpus_in(3, 0, 1).entry(&memory(0, 256, 0)).entry(&[1u8, 1]).entry(&memory(256, 256, 1));
    let nodes = [N(0, &[0, 1], &[(0, REST)]), N(1, &[2, 3], &[])];
    assert_understood(&[srat], &[LENGTH_DROPPED, UNCOVERED], &nodes, &[]);
}

#[test]
fn an_entry_shorter_than_its_structure_costs_itself() {
    let mut short = bytes(&memory(128, 64, 1))[..39].to_vec();
    short[1] = 39;
    let srat = cpus_in(3, 0, 1).entry(&short[..]).entry(&memory(0, 256, 0)).entry(&memory(256, 256, 1));
    assert_two_nodes(srat, &[LENGTH_DROPPED]);
}

#[test]
fn an_entry_longer_than_its_structure_is_used() {
    let mut long = bytes(&memory(256, 256, 1));
    long.extend([0xff; 5]);
    long[1] = 45;
    assert_two_nodes(cpus_in(3, 0, 1).entry(&long[..]).entry(&memory(0, 256, 0)), &[LENGTH_MENDED]);
}

#[test]
fn an_entry_past_the_end_costs_itself() {
    let past = SratMemoryAffinity { length: 41, ..memory(128, 64, 1) };
    assert_two_nodes(two_nodes().entry(&past), &[LENGTH_DROPPED]);
}

#[test]
fn an_entry_of_length_255_takes_those_in_it_along() {
    let long = SratProcessorAffinity { length: 255, ..cpu(3, 1) };
    let srat = TableBuilder::srat(3).entry(&memory(0, 256, 0)).entry(&memory(256, 256, 1));
    let srat = srat.entries([cpu(0, 0), cpu(1, 0), cpu(2, 1), long]);
    assert_two_nodes(srat, &[LENGTH_DROPPED, CPU_MISSING]);
}

#[test]
fn half_an_entry_header_at_the_end_is_nothing() {
    assert_two_nodes(two_nodes().entry(&[1u8]), &[LENGTH_DROPPED]);
}

#[test]
fn an_unknown_type_is_passed_over() {
    assert_two_nodes(two_nodes().entry(&[200u8, 4, 1, 2]), &[("srat.entry.type", "dropped")]);
}

#[test]
fn of_many_wrong_entries_sixteen_are_reported_and_the_others_counted() {
    let srat = two_nodes().entries([[99u8, 2]; 500]);
    assert_two_nodes(srat, &[("srat.entry.type", "dropped"); 17]);
}

#[test]
fn a_cpu_whose_entry_is_too_short_is_with_the_one_before_it() {
    let short = SratProcessorAffinity { length: 12, ..cpu(3, 0) };
    let short = &bytes(&short)[..12];
    let srat = TableBuilder::srat(3).entries([cpu(0, 0), cpu(1, 0), cpu(2, 1)]).entry(short);
    let srat = srat.entry(&memory(0, 256, 0)).entry(&memory(256, 256, 1));
    assert_two_nodes(srat, &[LENGTH_DROPPED, CPU_MISSING]);
}

#[test]
fn ranges_of_one_domain_that_overlap_are_merged() {
    let srat = cpus_in(3, 0, 1).entries([memory(0, 192, 0), memory(128, 128, 0), memory(256, 256, 1)]);
    assert_two_nodes(srat, &[("srat.memory.overlap", "mended")]);
}

#[test]
fn a_range_that_is_too_long_ends_where_the_next_starts() {
    let srat = cpus_in(3, 0, 1).entry(&memory(0, 320, 0)).entry(&memory(256, 256, 1));
    assert_two_nodes(srat, &[("srat.memory.conflict", "mended")]);
}

#[test]
fn a_range_inside_another_stays_whole() {
    let srat = cpus_in(3, 0, 1).entry(&memory(0, 512, 0)).entry(&memory(128, 128, 1));
    let nodes =
        [N(0, &[0, 1], &[(0, 128 * MIB), (256 * MIB, 256 * MIB)]), N(1, &[2, 3], &[(128 * MIB, 128 * MIB)])];
    assert_understood(&[srat], &[("srat.memory.conflict", "mended")], &nodes, &[]);
}

#[test]
fn ram_stays_with_its_domain_where_a_hot_pluggable_window_starts_inside_it() {
    let slot = SratMemoryAffinity {
        flags: (SratMemoryAffinity::ENABLED | SratMemoryAffinity::HOT_PLUGGABLE).into(),
        ..memory(128, 16 * 1024, 1)
    };
    let srat = cpus_in(3, 0, 1).entries([memory(0, 256, 0), slot, memory(256, 256, 1)]);
    assert_two_nodes(srat, &[("srat.memory.conflict", "mended"), ("srat.memory.overlap", "mended")]);
}

#[test]
fn ranges_of_length_0_claim_nothing() {
    assert_two_nodes(two_nodes().entry(&memory(128, 0, 1)), &[("srat.memory.empty", "dropped")]);
}

#[test]
fn a_range_past_the_last_address_claims_nothing() {
    let wraps = memory_affinity(128 * MIB, u64::MAX, ProximityDomain(1));
    assert_two_nodes(two_nodes().entry(&wraps), &[("srat.memory.wraps", "dropped")]);
}

#[test]
fn a_range_to_the_last_frame_is_kept_and_its_size_is_what_it_is() {
    let length = u64::MAX - 4095 - 256 * MIB;
    let srat = cpus_in(3, 0, 1).entry(&memory(0, 256, 0));
    let srat = srat.entry(&memory_affinity(256 * MIB, length, ProximityDomain(1))).build();
    let run = boot_with(&[srat]);
    assert_reported(&run, &[]);
    assert_eq!(run.topology().nodes[1].memory, [Memory { base: 256 * MIB, length }]);
    let line = run.line("numa: node 1 (proximity domain 1): ");
    assert!(line.is_some_and(|line| line.contains(": 17592186044160 MiB")), "{line:?}");
}

#[test]
fn a_range_of_half_frames_is_rounded_outwards() {
    let odd = memory_affinity(1, 256 * MIB - 2, ProximityDomain(0));
    let srat = cpus_in(3, 0, 1).entry(&odd).entry(&memory(256, 256, 1));
    assert_two_nodes(srat, &[("srat.memory.unaligned", "mended")]);
}

#[test]
fn a_range_without_ram_makes_no_node() {
    let nowhere = memory_affinity(1 << 40, GIB, ProximityDomain(2));
    assert_two_nodes(two_nodes().entry(&nowhere), &[("srat.memory.no-ram", "dropped")]);
}

#[test]
fn a_range_that_the_memory_map_reserves_is_no_finding() {
    // Firmware reserves the chipset's PCI configuration space, as it does with the memory of SGX enclaves.
    let reserved = memory_affinity(0xb000_0000, 256 * MIB, ProximityDomain(2));
    assert_two_nodes(two_nodes().entry(&reserved), &[]);
}

#[test]
fn memory_between_two_ranges_belongs_to_the_one_before() {
    let srat = cpus_in(3, 0, 1).entry(&memory(0, 128, 0)).entry(&memory(256, 256, 1));
    assert_two_nodes(srat, &[UNCOVERED]);
}

#[test]
fn an_empty_slot_and_persistent_memory_make_no_node() {
    let entry = |flag: u32| {
        let base = memory_affinity(1 << 40, GIB, ProximityDomain(2));
        SratMemoryAffinity { flags: (SratMemoryAffinity::ENABLED | flag).into(), ..base }
    };
    let slots = [entry(SratMemoryAffinity::HOT_PLUGGABLE), entry(SratMemoryAffinity::NON_VOLATILE)];
    assert_two_nodes(two_nodes().entries(slots), &[]);
}

#[test]
fn persistent_memory_that_is_ram_belongs_to_its_own_domain() {
    // A public report has such a table; the RAM went to the node of the range before it.
    let persistent = SratMemoryAffinity {
        flags: (SratMemoryAffinity::ENABLED | SratMemoryAffinity::NON_VOLATILE).into(),
        ..memory(384, 64, 0)
    };
    let srat =
        cpus_in(3, 0, 1).entries([memory(0, 256, 0), memory(256, 128, 1), persistent, memory(448, 64, 1)]);
    let nodes = [
        N(0, &[0, 1], &[(0, 256 * MIB), (384 * MIB, 64 * MIB)]),
        N(1, &[2, 3], &[(256 * MIB, 128 * MIB), (448 * MIB, 64 * MIB)]),
    ];
    assert_understood(&[srat], &[], &nodes, &[]);
}

#[test]
fn a_cpu_in_two_domains_is_in_the_lower() {
    assert_two_nodes(two_nodes().entry(&cpu(1, 1)), &[("srat.cpu.duplicate", "dropped")]);
}

#[test]
fn cpus_whose_ids_differ_by_a_constant_are_placed_by_it() {
    let srat = TableBuilder::srat(3).entries([cpu(16, 0), cpu(17, 0), cpu(18, 1), cpu(19, 1)]);
    let srat = srat.entry(&memory(0, 256, 0)).entry(&memory(256, 256, 1));
    assert_two_nodes(srat, &[("srat.cpu.offset", "mended")]);
}

#[test]
fn a_cpu_that_is_not_there_makes_no_node() {
    assert_two_nodes(two_nodes().entry(&cpu(77, 9)), &[("srat.cpu.unknown", "dropped")]);
}

#[test]
fn cpus_without_an_entry_are_with_the_ones_before_them() {
    let srat = TableBuilder::srat(3).entries([cpu(0, 0), cpu(2, 1)]);
    let srat = srat.entry(&memory(0, 256, 0)).entry(&memory(256, 256, 1));
    assert_two_nodes(srat, &[CPU_MISSING, CPU_MISSING]);
}

#[test]
fn revision_1_has_domains_of_8_bits() {
    let srat = cpus_in(1, 0, 0xab_cd01).entry(&memory(0, 256, 0)).entry(&memory(256, 256, 0x100_0001));
    assert_two_nodes(srat, &[("srat.domain.wide", "mended"); 3]);
}

#[test]
fn disabled_entries_alone_leave_one_node() {
    let cpu = SratProcessorAffinity { flags: 0.into(), ..cpu(0, 1) };
    let memory = SratMemoryAffinity { flags: 0.into(), ..memory(0, 512, 1) };
    assert_one_node(&[TableBuilder::srat(3).entry(&cpu).entry(&memory).build()], &[EMPTY]);
}

#[test]
fn a_table_without_entries_leaves_one_node() {
    assert_one_node(&[TableBuilder::srat(3).build()], &[EMPTY]);
}

#[test]
fn a_table_shorter_than_its_fixed_part_leaves_one_node() {
    let table = TableBuilder::srat(3).build()[..40].to_vec();
    assert_one_node(&[table], &[("table.length", "refused")]);
}

#[test]
fn of_two_tables_the_first_is_used() {
    let other = TableBuilder::srat(3).entry(&cpu(0, 7)).entry(&memory(0, 512, 7));
    assert_understood(&[two_nodes(), other], &[("table.duplicate", "refused")], TWO_NODES, &[]);
}

#[test]
fn of_two_tables_the_sound_one_is_used() {
    let empty = TableBuilder::srat(3);
    assert_understood(&[empty, two_nodes()], &[("table.duplicate", "refused")], TWO_NODES, &[]);
}

#[test]
fn a_device_handle_of_no_kind_is_left_out() {
    let device = DeviceHandle::Pci { segment: 0, bus: 1, device: 0, function: 0 };
    let mut initiator = generic_initiator(device, ProximityDomain(1));
    initiator.device_handle_type = 7;
    assert_two_nodes(two_nodes().entry(&initiator), &[("srat.device.handle", "mended")]);
}

#[test]
fn a_hundred_disabled_slots_for_cpus_are_passed_over() {
    let slots = (100..200).map(|id| SratProcessorAffinity { flags: 0.into(), ..cpu(id, id.into()) });
    assert_two_nodes(two_nodes().entries(slots), &[]);
}

fn bytes(entry: &(impl zerocopy::IntoBytes + zerocopy::Immutable)) -> Vec<u8> {
    entry.as_bytes().to_vec()
}
