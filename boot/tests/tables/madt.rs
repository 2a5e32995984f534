//! MADTs: an entry for a CPU that cannot exist is no CPU, and a CPU that does not answer is a failure.
use acpi_tables::builder::{TableBuilder, local_apic, local_x2apic};
use boot::{Run, Verdict};
use units::ApicId;

use crate::injected::{Reported, TWO_NODES, assert_reported, two_nodes};
use crate::whole::boot_with_only;

/// The MADT of the machine's four CPUs.
fn four_cpus() -> TableBuilder {
    TableBuilder::madt().entries((0..4).map(|id| local_apic(id, id)))
}

/// Boots with this MADT and an SRAT of two nodes, and expects both nodes and these findings.
#[track_caller]
fn boot_and_see(madt: TableBuilder, reported: &[Reported<'_>], verdict: Verdict) -> Run {
    let run = boot_with_only(4, &[madt.build(), two_nodes().build()], verdict);
    assert_reported(&run, reported);
    let topology = run.topology();
    assert_eq!((&topology.source[..], topology.nodes.len()), ("srat", TWO_NODES.len()));
    run
}

#[test]
fn a_sound_table_has_no_findings() {
    let run = boot_and_see(four_cpus(), &[], Verdict::Success);
    assert!(run.cpus().iter().all(|cpu| cpu.online), "{:?}", run.cpus());
}

#[test]
fn an_id_that_no_message_reaches_is_no_cpu() {
    // A public report has these four entries, from a coreboot board.
    let absurd = (4..8).map(|uid| local_x2apic(uid, ApicId(0x1716_1514)));
    let reported = [("madt.cpu.apic-id", "dropped"); 4];
    let run = boot_and_see(four_cpus().entries(absurd), &reported, Verdict::Success);
    assert_eq!(run.cpus().len(), 4);
    assert!(run.line("WARN  acpi: APIC at 0x4c: APIC 0x17161514 cannot be addressed: in ").is_some());
}

#[test]
fn x2apic_entries_with_small_ids_beside_local_apics_are_no_cpus() {
    let copies = (4..8).map(|id| local_x2apic(id, ApicId(id)));
    let reported = [("madt.cpu.x2apic", "dropped"); 4];
    let run = boot_and_see(four_cpus().entries(copies), &reported, Verdict::Success);
    assert_eq!(run.cpus().len(), 4);
}

#[test]
fn cpus_that_do_not_answer_are_a_failure_and_cost_the_others_nothing() {
    let absent = (0x20..0x24).map(|id| local_apic(id, id));
    let reported = [("srat.cpu.missing", "mended"); 4];
    let run = boot_and_see(four_cpus().entries(absent), &reported, Verdict::Failure);
    let online: Vec<bool> = run.cpus().iter().map(|cpu| cpu.online).collect();
    assert_eq!(online, [[true; 4], [false; 4]].concat());
    let line = "ERROR cpu: CPU 4 (APIC 0x20) did not answer its startup messages; it stays off";
    assert!(run.line(line).is_some(), "{}", run.serial);
}
