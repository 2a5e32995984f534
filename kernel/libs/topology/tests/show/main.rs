//! Tests of the example `show`: for any files, it shows one machine and the faults in its tables.
#[path = "../../../acpi-tables/tests/collection/mod.rs"]
#[allow(dead_code, reason = "these tests use only the tables' bytes and names")]
mod collection;
mod files;
mod outputs;
mod performance;
#[path = "../../examples/show/main.rs"]
#[allow(dead_code, reason = "the tests call `run`, not `main`")]
mod show;
mod support;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use acpi_tables::builder::{TableBuilder, extended_rsdp, local_apic, memory_affinity, rsdp};
use serde_json::{Value, json};
use support::{Folder, dump, events, events_of, madt, run, slit, srat};
use units::ProximityDomain;
use zerocopy::IntoBytes;

#[test]
fn the_topology_event_keeps_the_contract_with_slots_marked_and_no_pages() {
    let folder = Folder::new("contract");
    let files = [folder.file("a", madt()), folder.file("b", srat()), folder.file("c", slit())];
    let (rules, topology) = events(&files);
    assert_eq!(rules, [""; 0]);
    let memory = |base: u64| json!({"base": base << 20, "length": 256 << 20});
    let slot = json!({"base": 512 << 20, "length": 256 << 20, "hotplug": true});
    let node = |id: u32, domain: u32, cpus: [u32; 2], memory: Value| json!({"id": id, "domain": domain, "cpus": cpus, "memory": memory, "pages_total": 0, "pages_free": 0});
    assert_eq!(
        topology,
        json!({
            "event": "topology",
            "source": "srat",
            "nodes": [node(0, 0, [1, 2], json!([memory(0)])), node(1, 7, [0, 3], json!([memory(256), slot]))],
            "distances": [[10, 31], [20, 10]],
            "fallback": [[0, 1], [1, 0]],
        })
    );
}

#[test]
fn the_order_of_the_files_and_an_acpidump_of_them_all_change_nothing() {
    let folder = Folder::new("order");
    let files = [folder.file("a", madt()), folder.file("b", srat()), folder.file("c", slit())];
    let expected = events(&files);
    let [a, b, c] = files;
    assert_eq!(events(&[c.clone(), b.clone(), a.clone()]), expected);
    assert_eq!(events(&[b, a, c]), expected);
    let text = dump(&slit()) + &dump(&srat()) + &dump(&madt());
    assert_eq!(events(&[folder.file("dump", &text)]), expected);
    assert_eq!(events(&[folder.file("dos", text.replace('\n', "\r\n"))]), expected);
}

#[test]
fn the_letters_after_a_short_line_of_an_acpidump_are_no_bytes() {
    let folder = Folder::new("letters");
    let mut table = madt();
    // The last line has two bytes and their letters, which look like one more byte.
    table.truncate(48);
    table.extend(*b"AB");
    let json = |file: PathBuf| run([OsString::from("--json"), file.into()]).out;
    let raw = json(folder.file("raw", &table));
    assert_eq!(json(folder.file("dump", dump(&table))), raw);
    assert!(raw.contains("says 76 bytes, but only 50 can be read"), "{raw}");
}

#[test]
fn the_root_pointer_that_acpidump_writes_with_the_tables_is_skipped() {
    let folder = Folder::new("pointer");
    let expected = events(&[folder.file("srat", srat())]);
    for pointer in [rsdp(0x3ffe_0000).as_bytes(), extended_rsdp(0x3ffe_0000, 0x3ffe_1000).as_bytes()] {
        let text = dump(pointer).replacen("RSD ", "RSDP", 1) + &dump(&srat());
        assert_eq!(events(&[folder.file("dump", text)]), expected);
    }
}

#[test]
fn an_acpidump_with_a_missing_line_gives_a_table_that_ends_there() {
    let folder = Folder::new("hole");
    let text: String = dump(&srat()).split_inclusive('\n').filter(|line| !line.contains("0080:")).collect();
    let shown = run([folder.file("dump", text)]);
    assert!(shown.out.contains("says 264 bytes, but only 128 can be read"), "{}", shown.out);
}

#[test]
fn any_subset_of_the_tables_gives_a_topology() {
    let folder = Folder::new("subset");
    let [madt, srat, slit] = [folder.file("a", madt()), folder.file("b", srat()), folder.file("c", slit())];
    let (rules, topology) = events(std::slice::from_ref(&srat));
    assert_eq!((rules, &topology["nodes"][1]["cpus"]), (vec![], &json!([2, 3])));
    let (rules, topology) = events(&[srat, slit.clone()]);
    assert_eq!((rules, &topology["distances"][0][1]), (vec![], &json!(31)));
    let (rules, topology) = events(&[madt]);
    assert_eq!((rules, &topology["nodes"][0]["cpus"]), (vec![], &json!([0, 1, 2, 3])));
    let (rules, topology) = events(&[slit]);
    assert_eq!(
        (rules, &topology["source"], &topology["distances"]),
        (vec![], &json!("none"), &json!([[10]]))
    );
}

#[test]
fn any_file_gives_a_node_and_findings() {
    let folder = Folder::new("any");
    let other = |signature: &[u8; 4]| {
        let mut table = madt();
        table[..4].copy_from_slice(signature);
        table
    };
    for (name, bytes, rule) in [
        ("empty", Vec::new(), "table.length"),
        ("letter", b"S".to_vec(), "table.length"),
        ("signature", b"SRAT".to_vec(), "table.length"),
        ("cut", b"DSDT and no more".to_vec(), "table.length"),
        ("noise", vec![0xa5; 1000], "table.signature"),
        ("zeros", vec![0; 1000], "table.signature"),
        ("prose", b"It is a truth universally acknowledged, that a single man".to_vec(), "table.signature"),
        ("heading", b"SRAT @ 0x0\n".to_vec(), "table.length"),
        ("heading-and-noise", b"SRAT @ 0x0\n zzz: \n 0000: GG\n-1: 00\n :\n".to_vec(), "table.length"),
        ("empty-srat", TableBuilder::srat(3).build(), "srat.empty"),
    ] {
        let file = folder.file(name, bytes);
        let (rules, topology) = events(std::slice::from_ref(&file));
        assert_eq!(rules, [rule], "{name}");
        assert_eq!(topology["nodes"].as_array().map(Vec::len), Some(1), "{name}");
        let shown = run([file]);
        assert_eq!(shown.status, 0);
        assert!(shown.out.contains(&format!("[{rule}, refused]")), "{name}:\n{}", shown.out);
    }
    for signature in [b"DSDT", b"ASF!", b"____"] {
        let (rules, _) = events(&[folder.file("other", other(signature))]);
        assert_eq!(rules, [""; 0], "a table with another signature is no finding");
    }
    let dsdt = folder.file("dsdt", other(b"DSDT"));
    let shown = run([OsString::from("--json"), dsdt.into()]);
    assert!(shown.complaints.contains("DSDT is skipped"), "{}", shown.complaints);
}

#[test]
fn a_thousand_findings_of_a_rule_become_seventeen_lines() {
    let folder = Folder::new("many");
    let empty = std::iter::repeat_n(memory_affinity(0, 0, ProximityDomain(0)), 1000);
    let table = TableBuilder::srat(3).entries(empty).entry(&memory_affinity(0, 1 << 20, ProximityDomain(0)));
    let (rules, _) = events(&[folder.file("a", table.build())]);
    assert_eq!(rules, ["srat.memory.empty"; 17]);
}

#[test]
fn of_two_tables_of_a_kind_the_first_is_used() {
    let folder = Folder::new("two");
    let small = TableBuilder::madt().entry(&local_apic(0, 0)).build();
    let (small, large) = (folder.file("small", small), folder.file("large", madt()));
    for (files, cpus) in [([small.clone(), large.clone()], 1), ([large, small], 4)] {
        let (rules, topology) = events(&files);
        assert_eq!(rules, ["table.duplicate"]);
        assert_eq!(topology["nodes"][0]["cpus"].as_array().map(Vec::len), Some(cpus));
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_are_shown() {
    let folder = Folder::new("missing");
    let missing = folder.0.join("nowhere");
    for unreadable in [missing, folder.0.clone()] {
        let shown =
            run([OsString::from("--json"), unreadable.clone().into(), folder.file("a", srat()).into()]);
        assert_eq!(shown.status, 1);
        assert!(shown.complaints.contains(&unreadable.display().to_string()), "{}", shown.complaints);
        assert_eq!(events_of(&shown).1["source"], "srat");
    }
}

#[test]
fn people_see_tables_findings_nodes_distances_and_a_tree() {
    let folder = Folder::new("people");
    let mut table = srat();
    table[9] ^= 1;
    let shown = run([folder.file("a", table), folder.file("c", slit())]);
    assert_eq!((shown.status, &shown.complaints[..]), (0, ""));
    for line in [
        "SRAT at 0x9: the table's bytes add up to ",
        "Nodes, from the SRAT",
        "     1           7       512 MiB          0x10000000  2-3\n",
        "     0  10  31\n     1  20  10\n",
        "  ├─ node 0 (proximity domain 0)\n  │  ├─ CPU 0-1 (APIC 0-1)\n",
        "     ├─ [mem 0x0000000020000000-0x000000002fffffff] 256 MiB, hot-pluggable\n     └─ memory from node 1 0\n",
    ] {
        assert!(shown.out.contains(line), "{line:?} is not in\n{}", shown.out);
    }
}

#[test]
fn options_are_explained() {
    assert_eq!(run(["--help"]).status, 0);
    let nothing = run([""; 0]);
    assert_eq!((nothing.status, &nothing.out), (0, &run(["--help"]).out));
    assert!(nothing.out.starts_with("usage: "));
    let unknown = run(["--jsno", "a"]);
    assert_eq!((unknown.status, &unknown.out[..]), (2, ""));
    assert!(unknown.complaints.contains("--jsno"));
}

/// Shows each machine of the collection from raw tables and from a dump, and from each of its tables alone.
#[test]
fn every_machine_of_the_collection_is_shown_in_both_ways() {
    let folder = Folder::new("collection");
    let mut machines = BTreeMap::<_, Vec<_>>::new();
    for table in collection::read() {
        let name = table.file.split(&format!("__{}", table.signature)).next().unwrap().to_string();
        machines.entry(name).or_default().push((folder.file(&table.file, &table.bytes), table.bytes));
    }
    for (name, tables) in machines {
        let files: Vec<PathBuf> = tables.iter().map(|(file, _)| file.clone()).collect();
        let text: String = tables.iter().map(|(_, bytes)| dump(bytes)).collect();
        assert_eq!(events(&files), events(&[folder.file(&format!("{name}.txt"), text)]), "{name}");
        assert_eq!(run(&files).status, 0, "{name}");
        files.iter().for_each(|file| drop(events(std::slice::from_ref(file))));
    }
}
