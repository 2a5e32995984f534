//! The tables of the machines that the README shows.
use acpi_tables::builder::{TableBuilder, local_apic, local_apic_affinity, memory_affinity};
use acpi_tables::wire::SratMemoryAffinity;
use units::ProximityDomain;

/// An affinity range, by the addresses of its first byte and of the first byte behind it.
fn memory(start: u64, end: u64, domain: u32) -> SratMemoryAffinity {
    memory_affinity(start, end - start, ProximityDomain(domain))
}

/// Returns the tables of the machine that `./run.sh` boots.
pub fn two_nodes() -> Vec<Vec<u8>> {
    let cpu = |id: u8| local_apic_affinity(id, ProximityDomain(u32::from(id) / 2));
    let ranges = [(0, 0xa_0000, 0), (0x10_0000, 0x1000_0000, 0), (0x1000_0000, 0x2000_0000, 1)];
    let srat = TableBuilder::srat(1).entries((0..4).map(cpu));
    vec![
        srat.entries(ranges.map(|(start, end, domain)| memory(start, end, domain))).build(),
        TableBuilder::slit(2, &[10, 20, 20, 10]).build(),
        TableBuilder::madt().entries((0..4).map(|id| local_apic(id, id))).build(),
    ]
}

/// Returns the tables of a Sun Fire X4600 M2: eight Opterons with four cores each, of which no two opposite ones are linked.
///
/// The values are those that Linux 5.11 logged on such a machine (linux-kernel, "Shortest NUMA path spans too many nodes",
/// 21 January 2021).
pub fn sun_fire_x4600_m2() -> Vec<Vec<u8>> {
    const DISTANCES: [u8; 64] = [
        10, 12, 12, 14, 14, 14, 14, 16, //
        12, 10, 14, 12, 14, 14, 12, 14, //
        12, 14, 10, 14, 12, 12, 14, 14, //
        14, 12, 14, 10, 12, 12, 14, 14, //
        14, 14, 12, 12, 10, 14, 12, 14, //
        14, 14, 12, 12, 14, 10, 14, 12, //
        14, 12, 14, 14, 12, 14, 10, 12, //
        16, 14, 14, 14, 14, 12, 12, 10,
    ];
    // The APIC ids 0 to 3 are those of the I/O APICs.
    let cpu = |cpu: u8| local_apic_affinity(cpu + 4, ProximityDomain(u32::from(cpu) / 4));
    let low = [(0, 0xa_0000), (0x10_0000, 0xd800_0000), (0x1_0000_0000, 0x4_2800_0000)];
    let high = (1..8).map(|node: u32| {
        let start = 0x2800_0000 + (u64::from(node) << 34);
        memory(start, start + (1 << 34), node)
    });
    let srat = TableBuilder::srat(1).entries((0..32).map(cpu));
    vec![
        srat.entries(low.map(|(start, end)| memory(start, end, 0))).entries(high).build(),
        TableBuilder::slit(8, &DISTANCES).build(),
        TableBuilder::madt().entries((0..32).map(|cpu| local_apic(cpu, cpu + 4))).build(),
    ]
}
