//! Output for people: values of the tables that the topology does not keep.
use std::io::{self, Write};

use acpi_tables::Finding;
use topology::{Device, DeviceKind, Inputs, NumaTopology};

use super::size::size;

/// Writes the SRAT's persistent memory and devices, and the MSCT's limits.
pub fn show(inputs: &Inputs<'_>, topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    show_persistent(topology, out)?;
    show_devices(topology, out)?;
    show_limits(inputs, topology, out)
}

fn show_persistent(topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    let ranges = topology.persistent_ranges();
    if ranges.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nPersistent memory, from the SRAT\n")?;
    ranges.iter().try_for_each(|range| writeln!(out, "  {range}, {}", size(range.range.len_bytes())))
}

fn show_devices(topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    if topology.devices().is_empty() {
        return Ok(());
    }
    writeln!(out, "\nGeneric initiators and ports, from the SRAT\n")?;
    for Device { kind, domain, handle } in topology.devices() {
        let kind = match kind {
            DeviceKind::Initiator => "initiator",
            DeviceKind::Port => "port",
        };
        let handle = handle.map_or_else(|| "of an unknown kind".into(), |handle| handle.to_string());
        writeln!(out, "  {kind:<9}  domain {domain:>10}  {handle}")?;
    }
    Ok(())
}

fn show_limits(inputs: &Inputs<'_>, topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    let (Some(msct), Some(limits)) = (&inputs.msct, topology.limits()) else { return Ok(()) };
    writeln!(out, "\nLimits, from the MSCT\n")?;
    let count = |count, what| format!("{count} {what} domain{}", if count == 1 { "" } else { "s" });
    let (domains, clocks) = (count(limits.domains, "proximity"), count(limits.clock_domains, "clock"));
    writeln!(out, "  at most {domains} and {clocks}")?;
    writeln!(out, "  no memory above {:#x}", limits.address.0)?;
    for domains in msct.domains(&mut already_reported) {
        let (first, last) = (domains.first, domains.last);
        let (cpus, memory) = (domains.max_cpus, size(domains.max_memory));
        writeln!(out, "  domains {first} to {last}: at most {cpus} CPUs and {memory} of memory each")?;
    }
    Ok(())
}

/// Ignores a finding: the topology was built from the same tables, which reported it then.
fn already_reported(_: Finding) {}
