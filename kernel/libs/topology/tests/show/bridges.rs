//! Tests of the host bridges in the output for people.
use acpi_tables::Signature;
use aml_names::builder::{device, eisa_id, integer, method, name, scope, table};

use super::support::Folder;
use super::{madt, run, srat};

#[test]
fn host_bridges_are_shown_with_their_nodes() {
    let folder = Folder::new("bridges");
    let hid = name("_HID", &eisa_id("PNP0A08"));
    let pxm = |domain| name("_PXM", &integer(domain));
    let port = device("RP01", &[name("_ADR", &integer(0x1_0000)), pxm(7)]);
    let terms = [
        device("PC00", &[hid.clone(), port]),
        device("PC81", &[hid.clone(), name("_BBN", &integer(0x81)), pxm(77)]),
        device("PCC0", &[hid, method("_BBN", 0, &[vec![0xa3]]), name("_SEG", &integer(2)), vec![0x9a]]),
    ];
    let dsdt = table(Signature::DSDT, 2, &[scope("\\_SB", &terms)]);
    let ssdt = table(Signature::SSDT, 2, &[scope("\\_SB.PC00", &[pxm(0)])]);
    let files = [("srat", srat()), ("madt", madt()), ("dsdt", dsdt), ("ssdt", ssdt)];
    let shown = run(files.map(|(name, bytes)| folder.file(name, bytes)));
    let expected = "
PCI host bridges, from AML

  \\_SB.PC00: segment 0x0, bus 0x0, node 0
    \\_SB.PC00.RP01: node 1
  \\_SB.PC81: segment 0x0, bus 0x81, domain 77, which is no node
  \\_SB.PCC0: segment 0x2, bus computed by a method, node not stated
  DSDT at 0x";
    assert!(shown.out.contains(expected), "{}", shown.out);
    assert!(!shown.out.contains("skipped\n"), "{}", shown.out);
}
