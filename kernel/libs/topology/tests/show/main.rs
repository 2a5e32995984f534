//! Tests of the example `show`: for any files, it shows one machine and the faults in its tables.
mod bridges;
#[path = "../../../acpi-tables/tests/collection/mod.rs"]
#[allow(dead_code, reason = "these tests use only the tables' bytes and names")]
mod collection;
mod files;
mod machines;
mod outputs;
mod performance;
mod pictures;
#[path = "../../examples/show/main.rs"]
#[allow(dead_code, reason = "the tests call `run`, not `main`")]
mod show;
mod support;
mod texts;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use acpi_tables::builder::{TableBuilder, extended_rsdp, local_apic, memory_affinity, rsdp};
use acpi_tables::wire::SratMemoryAffinity;
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
    let node = |id: u32, domain: u32, cpus: [u32; 2], apic_ids: [u32; 2], memory: Value| json!({"id": id, "domain": domain, "cpus": cpus, "apic_ids": apic_ids, "memory": memory, "pages_total": 0, "pages_free": 0});
    assert_eq!(
        topology,
        json!({
            "event": "topology",
            "source": "srat",
            "nodes": [node(0, 0, [1, 2], [0, 1], json!([memory(0)])), node(1, 7, [0, 3], [2, 3], json!([memory(256), slot]))],
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
    let complaint = "the line at 0x80 of the SRAT is missing or out of order; 8 lines after it are skipped\n";
    assert!(shown.complaints.ends_with(complaint), "{}", shown.complaints);
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
        (vec!["slit.srat".into()], &json!("none"), &json!([[10]]))
    );
}

#[test]
fn a_file_without_a_table_is_named_and_shown_as_no_machine() {
    let folder = Folder::new("any");
    for (name, bytes, complaint) in [
        ("empty", Vec::new(), "it contains no ACPI table"),
        ("letter", b"S".to_vec(), "it is text, but neither"),
        ("signature", b"SRAT".to_vec(), "it is text, but neither"),
        ("cut", srat()[..35].to_vec(), "it contains no ACPI table"),
        ("noise", vec![0xa5; 1000], "it is text, but neither"),
        ("zeros", vec![0; 1000], "it contains no ACPI table"),
        (
            "prose",
            b"It is a truth universally acknowledged, that a single man".to_vec(),
            "it is text, but neither",
        ),
        ("heading", b"SRAT @ 0x0\n".to_vec(), "it contains no ACPI table"),
        (
            "heading-and-noise",
            b"SRAT @ 0x0\n zzz: \n 0000: GG\n-1: 00\n :\n".to_vec(),
            "it contains no ACPI table",
        ),
    ] {
        let file = folder.file(name, bytes);
        for options in [&[][..], &["--json"]] {
            let arguments = options.iter().map(OsString::from).chain([file.clone().into()]);
            let shown = run(arguments);
            assert_eq!((shown.status, &shown.out[..]), (1, ""), "{name}");
            assert!(shown.complaints.contains(complaint), "{name}: {}", shown.complaints);
            assert_eq!(shown.complaints.lines().count(), 1, "{name}: {}", shown.complaints);
        }
        // The other files are still shown.
        let shown = run([file, folder.file("srat", srat())]);
        assert!(shown.status == 1 && shown.out.contains("Nodes, from the SRAT"), "{name}");
    }
}

#[test]
fn a_table_that_is_refused_is_not_shown_as_an_empty_machine() {
    let folder = Folder::new("refused");
    let file = folder.file("srat", &srat()[..40]);
    let shown = run([file.clone()]);
    assert!(shown.out.contains("[table.length, refused]"), "{}", shown.out);
    assert!(!shown.out.contains("Nodes") && !shown.out.contains("Machine"), "{}", shown.out);
    assert_eq!((shown.status, shown.complaints.lines().count()), (1, 1));
    let json = run([OsString::from("--json"), file.into()]);
    assert!(json.status == 1 && !json.out.contains("topology"), "{}", json.out);
    // Correct tables without CPUs and memory are shown.
    let (rules, topology) = events(&[folder.file("empty-srat", TableBuilder::srat(3).build())]);
    assert_eq!((rules, topology["nodes"].as_array().map(Vec::len)), (vec!["srat.empty".into()], Some(1)));
}

#[test]
fn tables_that_say_nothing_about_the_topology_are_named() {
    let folder = Folder::new("other");
    let other = |signature: &[u8; 4]| {
        let mut table = madt();
        table[..4].copy_from_slice(signature);
        folder.file(&String::from_utf8_lossy(signature), table)
    };
    let files = [other(b"DSDT"), other(b"ASF!"), other(b"____")];
    let shown = run(files.clone());
    assert_eq!((shown.status, &shown.out[..]), (1, ""));
    let complaint =
        "show: none of the tables (DSDT, ASF!, ____) is an SRAT, SLIT, MADT (APIC), HMAT or MSCT\n";
    assert_eq!(shown.complaints, complaint);
    // Beside an SRAT they are skipped, which is no finding.
    let [dsdt, asf, other] = files;
    let (rules, _) = events(&[dsdt.clone(), asf, other, folder.file("srat", srat())]);
    assert_eq!(rules, [""; 0]);
    let shown = run([OsString::from("--json"), dsdt.into(), folder.file("srat", srat()).into()]);
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
    let empty = folder.0.join("empty");
    std::fs::create_dir(&empty).unwrap();
    for unreadable in [missing, empty] {
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
        "  node      domain        memory                from     hot-pluggable  CPUs\n",
        "     0           0       256 MiB                 0x0                 -  0-1\n",
        "     1           7       256 MiB          0x10000000           256 MiB  2-3\n",
        "     0  10  31\n     1  20  10\n",
        "  ├─ node 0 (proximity domain 0)\n  │  ├─ CPU 0-1 (APIC 0-1)\n",
        "     ├─ [mem 0x0000000020000000-0x000000002fffffff] 256 MiB, hot-pluggable\n     └─ memory from node 1 0\n",
    ] {
        assert!(shown.out.contains(line), "{line:?} is not in\n{}", shown.out);
    }
}

#[test]
fn small_sizes_are_not_rounded_and_windows_are_no_memory() {
    let folder = Folder::new("sizes");
    let mut window = memory_affinity(1 << 40, 512 << 30, ProximityDomain(2));
    window.flags = (SratMemoryAffinity::ENABLED | SratMemoryAffinity::HOT_PLUGGABLE).into();
    let srat = TableBuilder::srat(3)
        .entries([
            memory_affinity(0, 640 << 10, ProximityDomain(0)),
            memory_affinity(1 << 20, 4096, ProximityDomain(1)),
        ])
        .entries([memory_affinity(2 << 20, 0x12_3000, ProximityDomain(1)), window]);
    let shown = run([folder.file("srat", srat.build())]).out;
    for line in [
        "     0           0       640 KiB                 0x0                 -  -\n",
        "     1           1         1 MiB            0x100000                 -  -\n",
        "     2           2             -                   -        524288 MiB  -\n",
    ] {
        assert!(shown.contains(line), "{line:?} is not in\n{shown}");
    }
}

#[test]
fn arm_machines_are_recognised() {
    let folder = Folder::new("arm");
    let mut gicc = [0_u8; 82];
    (gicc[0], gicc[1]) = (11, 82);
    let mut affinity = [0_u8; 18];
    (affinity[0], affinity[1]) = (3, 18);
    let madt = folder.file("APIC", TableBuilder::madt().entries([gicc; 4]).build());
    let srat =
        TableBuilder::srat(3).entries([affinity; 4]).entry(&memory_affinity(0, 1 << 30, ProximityDomain(0)));
    let srat = folder.file("SRAT", srat.build());
    let note = |counts| {
        format!("An Arm machine: its CPUs ({counts}) are not shown, because Proxima runs on x86-64\n")
    };
    for (files, counts) in [
        (vec![madt.clone(), srat.clone()], "4 in the MADT, 4 in the SRAT"),
        (vec![srat], "4 in the SRAT"),
        (vec![madt], "4 in the MADT"),
    ] {
        let shown = run(&files);
        assert!(shown.out.contains(&note(counts)), "{}", shown.out);
        let json = run([OsString::from("--json")].into_iter().chain(files.into_iter().map(OsString::from)));
        assert_eq!((json.status, json.complaints), (0, format!("show: {}", note(counts))));
    }
    assert!(!run([folder.file("x86", support::srat())]).out.contains("Arm"));
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
