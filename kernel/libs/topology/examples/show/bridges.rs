//! Output for people: the PCI host bridges, which the kernel's reader of AML finds in the DSDT and the SSDTs.
use std::fmt::Display;
use std::io::{self, Write};

use acpi_tables::{Capped, Finding};
use aml_names::{Answer, Device, read_host_bridges};
use topology::NumaTopology;
use units::ProximityDomain;

use super::tables::Table;

/// The number of host bridges, and of devices near them with a domain, that are shown.
const ROOM: usize = 512;

/// Writes a line for each host bridge, one for each device below it that has a domain, and what is wrong in AML.
pub fn show(tables: &[Table], topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    let mut storage = vec![Device::EMPTY; ROOM];
    let mut reported = Vec::new();
    let mut findings = Capped::new(|finding: Finding| reported.push(finding));
    let blocks = tables.iter().map(|table| &table.bytes[..]);
    let devices = read_host_bridges(blocks, &mut storage, &mut findings);
    findings.finish();
    if devices.host_bridges().next().is_none() {
        return Ok(());
    }
    let node = |domain: Answer<ProximityDomain>| match domain {
        Answer::Constant(domain) => topology
            .nodes()
            .iter()
            .find(|node| node.domain == domain)
            .map_or_else(|| format!("domain {domain}, which is no node"), |node| format!("node {}", node.id)),
        answer => format!("node {}", unknown(&answer)),
    };
    writeln!(out, "\nPCI host bridges, from AML\n")?;
    for bridge in devices.host_bridges() {
        let (segment, bus) = (number(bridge.segment()), number(bridge.first_bus()));
        writeln!(out, "  {}: segment {segment}, bus {bus}, {}", bridge.path, node(devices.domain(bridge)))?;
        for device in devices.devices_with_domain(bridge) {
            writeln!(out, "    {}: {}", device.path, node(device.domain()))?;
        }
    }
    reported.iter().try_for_each(|finding| writeln!(out, "  {}", finding.in_full()))
}

/// Returns a segment or a bus. Without its object it is 0.
fn number<T: Display + Default + std::fmt::LowerHex>(answer: Answer<T>) -> String {
    match answer {
        Answer::Constant(number) => format!("{number:#x}"),
        Answer::Absent => "0x0".into(),
        answer => unknown(&answer).into(),
    }
}

/// Says why a value is not known.
const fn unknown<T>(answer: &Answer<T>) -> &'static str {
    match answer {
        Answer::Absent => "not stated",
        Answer::Method => "computed by a method",
        Answer::Conditional => "decided by a condition",
        _ => "not usable",
    }
}
