//! Tests of the output for HMAT, MSCT and the SRAT's devices.
use std::collections::BTreeMap;
use std::path::PathBuf;

use acpi_tables::DeviceHandle;
use acpi_tables::builder::{
    TableBuilder, attachment, generic_initiator, generic_port, latency_and_bandwidth, memory_affinity,
    msct_domains, side_cache, x2apic_affinity,
};
use acpi_tables::wire::SratMemoryAffinity;
use serde_json::{Value, json};
use units::{ApicId, ProximityDomain};

use super::{Folder, collection, dump, events, run};

const GPU: DeviceHandle = DeviceHandle::Pci { segment: 0, bus: 0x17, device: 2, function: 1 };
const HOST_BRIDGE: DeviceHandle = DeviceHandle::Acpi { hid: *b"ACPI0016", uid: 3 };

const READ_LATENCY: u8 = 1;
const WRITE_BANDWIDTH: u8 = 5;
const UNREACHABLE: u16 = 0xffff;

/// Returns an SRAT: node 0 (domain 0) with CPUs, node 1 (domain 7) without, a device in domain 5, a port in domain 6.
fn srat() -> Vec<u8> {
    let memory = |base: u64, domain| memory_affinity(base << 20, 256 << 20, ProximityDomain(domain));
    TableBuilder::srat(3)
        .entries((0..2).map(|id| x2apic_affinity(ApicId(id), ProximityDomain(0))))
        .entries([memory(0, 0), memory(256, 7)])
        .entry(&generic_initiator(GPU, ProximityDomain(5)))
        .entry(&generic_port(HOST_BRIDGE, ProximityDomain(6)))
        .build()
}

fn hmat() -> Vec<u8> {
    let domains = [0, 7];
    // Domain 6 has only a port.
    let latencies = [1600, 2601, 3000, 0, UNREACHABLE, 0];
    TableBuilder::hmat(2)
        .entry(&attachment(ProximityDomain(7), Some(ProximityDomain(0))))
        .entry(&latency_and_bandwidth(READ_LATENCY, 50, &[0, 5], &[0, 7, 6], &latencies)[..])
        .entry(&latency_and_bandwidth(WRITE_BANDWIDTH, 1000, &[0], &domains, &[80, 40])[..])
        .entry(&side_cache(ProximityDomain(7), 64 << 20, [1, 1, 1, 2], 64, &[])[..])
        .build()
}

fn msct() -> Vec<u8> {
    let domains = [msct_domains(0, 0, 2, 1 << 30), msct_domains(1, 7, 0, 512 << 20)];
    TableBuilder::msct(8, 1, (1 << 40) - 1).entries(domains).build()
}

fn files(folder: &Folder) -> [PathBuf; 3] {
    [folder.file("hmat", hmat()), folder.file("msct", msct()), folder.file("srat", srat())]
}

#[test]
fn the_topology_event_contains_the_hmats_values() {
    let folder = Folder::new("hmat");
    let (rules, topology) = events(&files(&folder));
    assert_eq!(rules, [""; 0]);
    assert_eq!(
        topology["performance"],
        json!({
            "initiators": [0, 5],
            "read_latency_ps": [[80_000, 130_050], [null, -1]],
            "write_latency_ps": [[null, null], [null, null]],
            "read_bandwidth_mbps": [[null, null], [null, null]],
            "write_bandwidth_mbps": [[80_000, 40_000], [null, null]],
            "attached": [null, 0],
            "side_caches": [{
                "node": 1, "level": 1, "levels": 1, "size": 64 << 20, "line_size": 64, "associativity": 1, "write_policy": 2,
            }],
            "ports": [{
                "domain": 6, "read_latency_ps": [150_000, null], "write_latency_ps": [null, null],
                "read_bandwidth_mbps": [null, null], "write_bandwidth_mbps": [null, null],
            }],
        })
    );
}

#[test]
fn the_topology_event_contains_devices_and_limits() {
    let folder = Folder::new("devices");
    let (_, topology) = events(&files(&folder));
    assert_eq!(topology["generic_initiators"], json!([{"domain": 5, "handle": "PCI 0000:17:02.1"}]));
    assert_eq!(topology["generic_ports"], json!([{"domain": 6, "handle": "ACPI ACPI0016 (UID 3)"}]));
    assert_eq!(topology["limits"], json!({"domains": 8, "clock_domains": 1, "address": (1_u64 << 40) - 1}));
    assert_eq!(topology["nodes"][0]["apic_ids"], json!([0, 1]));
}

#[test]
fn the_order_of_the_files_and_an_acpidump_do_not_change_the_hmats_values() {
    let folder = Folder::new("hmat-order");
    let files = files(&folder);
    let expected = events(&files);
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(events(&order.map(|index| files[index].clone())), expected, "{order:?}");
    }
    let text = dump(&hmat()) + &dump(&srat()) + &dump(&msct());
    assert_eq!(events(&[folder.file("dump", text)]), expected);
}

#[test]
fn people_see_latency_bandwidth_attachments_side_caches_devices_and_limits() {
    let folder = Folder::new("hmat-people");
    let shown = run(files(&folder));
    assert_eq!((shown.status, &shown.complaints[..]), (0, ""));
    assert!(!shown.out.contains("skipped"), "{}", shown.out);
    for lines in [
        "Latency and bandwidth from a row's domain to a column's node, from the HMAT\n",
        "\n  read latency (ns)\n      domain       0       1       port 6\n           0      80 130.050          150\n           5       ?       -            ?\n",
        "\n  write latency (ns): unspecified\n",
        "\n  write bandwidth (MB/s)\n      domain       0       1       port 6\n           0   80000   40000            ?\n",
        "  memory of node 1 is attached to domain 0\n",
        "  node 1 has a side cache of 65536 KiB, level 1 of 1, direct mapped, write-through, lines of 64 bytes\n",
        "  initiator  domain          5  PCI 0000:17:02.1\n",
        "  port       domain          6  ACPI ACPI0016 (UID 3)\n",
        "  at most 8 proximity domains and 1 clock domain\n",
        "  no memory above 0xffffffffff\n",
        "  domains 0 to 0: at most 2 CPUs and 1 GiB of memory each\n",
        "  domains 1 to 7: at most 0 CPUs and 512 MiB of memory each\n",
    ] {
        assert!(shown.out.contains(lines), "{lines:?} is not in\n{}", shown.out);
    }
}

#[test]
fn a_fault_in_hmat_and_msct_is_reported_once() {
    let folder = Folder::new("hmat-wrong");
    let unknown = attachment(ProximityDomain(9), Some(ProximityDomain(0)));
    let hmat = TableBuilder::hmat(2).entry(&unknown).build();
    let msct = TableBuilder::msct(8, 1, 1 << 40).entry(&msct_domains(3, 2, 1, 1)).build();
    let device = generic_initiator(GPU, ProximityDomain(0));
    let mut srat = TableBuilder::srat(3).entry(&memory_affinity(0, 1 << 20, ProximityDomain(0)));
    srat = srat.entry(&acpi_tables::wire::SratGenericAffinity { device_handle_type: 2, ..device });
    let files = [folder.file("a", hmat), folder.file("b", msct), folder.file("c", srat.build())];
    assert_eq!(events(&files).0, ["srat.device.handle", "hmat.domain", "msct.domains"]);
    let shown = run(files);
    assert_eq!(shown.out.matches("msct.domains").count(), 1, "{}", shown.out);
    assert!(shown.out.contains("initiator  domain          0  of an unknown kind\n"), "{}", shown.out);
}

#[test]
fn an_hmat_without_an_srat_is_not_used_which_the_output_says() {
    let folder = Folder::new("hmat-alone");
    let [hmat, ..] = files(&folder);
    assert_eq!(events(std::slice::from_ref(&hmat)).1.get("performance"), None);
    let shown = run([hmat]);
    assert!(shown.out.contains("without a usable SRAT the HMAT is not used"), "{}", shown.out);
}

/// Each measure has a row for each initiator and a column for each node, in any order of the files.
#[test]
fn every_machine_of_the_collection_with_an_hmat_has_performance_in_its_event() {
    let folder = Folder::new("hmat-collection");
    let mut machines = BTreeMap::<_, BTreeMap<_, _>>::new();
    for table in collection::read() {
        let name = table.file.split(&format!("__{}", table.signature)).next().unwrap().to_string();
        let file = folder.file(&table.file, &table.bytes);
        machines.entry(name).or_default().insert(table.signature.clone(), file);
    }
    let mut seen = 0;
    for (name, tables) in machines.iter().filter(|(_, of)| of.contains_key("HMAT") && of.contains_key("SRAT"))
    {
        let mut files: Vec<PathBuf> = tables.values().cloned().collect();
        let (_, topology) = events(&files);
        let (performance, nodes) = (&topology["performance"], topology["nodes"].as_array().unwrap().len());
        let initiators = performance["initiators"].as_array().expect(name).len();
        for measure in ["read_latency_ps", "write_latency_ps", "read_bandwidth_mbps", "write_bandwidth_mbps"]
        {
            let rows = performance[measure].as_array().expect(name);
            assert_eq!(rows.len(), initiators, "{name}, {measure}");
            assert!(rows.iter().all(|row| row.as_array().map(Vec::len) == Some(nodes)), "{name}, {measure}");
            assert!(
                rows.iter().flat_map(|row| row.as_array().unwrap()).any(Value::is_number),
                "{name}, {measure}"
            );
        }
        files.reverse();
        assert_eq!(events(&files).1, topology, "{name}");
        let shown = run(files);
        assert!(shown.out.contains("\n  read latency (ns)\n      domain"), "{name}:\n{}", shown.out);
        seen += 1;
    }
    // Without the collection there is no machine to check.
    assert!(seen > 0 || machines.is_empty());
}

#[test]
fn people_see_persistent_memory_with_its_domain_and_its_nearest_node() {
    let folder = Folder::new("persistent");
    let mut module = memory_affinity(4 << 30, 128 << 20, ProximityDomain(9));
    module.flags = (SratMemoryAffinity::ENABLED | SratMemoryAffinity::NON_VOLATILE).into();
    let srat =
        TableBuilder::srat(3).entry(&memory_affinity(0, 1 << 30, ProximityDomain(0))).entry(&module).build();
    let file = folder.file("srat", srat);
    let range = json!({"base": 4_u64 << 30, "length": 128 << 20, "domain": 9, "node": 0, "persistent": true});
    assert_eq!(events(std::slice::from_ref(&file)).1["persistent_ranges"], json!([range]));
    let shown = run([file]).out;
    let lines = "Persistent memory, from the SRAT\n\n  [mem 0x0000000100000000-0x0000000107ffffff], domain 9, nearest node 0, 128 MiB\n";
    assert!(shown.contains(lines), "{shown}");
}
