//! Output for programs: the lines that the kernel writes to its second serial port.
use std::io::{self, Write};

use acpi_tables::Finding;
use events::{Event, FindingText, LineError};
use topology::NumaTopology;

/// The limit of a line in bytes. 128 nodes with distances, latency and bandwidth and 1024 CPUs take about 700 KiB.
const LONGEST: usize = 1 << 24;

/// Writes the findings, then the topology if it is known.
pub fn show(findings: &[Finding], topology: Option<&NumaTopology>, out: &mut dyn Write) -> io::Result<()> {
    findings.iter().try_for_each(|finding| write(&FindingText::new(finding).event(), out))?;
    let Some(topology) = topology else { return Ok(()) };
    write(&Event::of_tables(topology).map_err(io::Error::other)?, out)
}

fn write(event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 12];
    loop {
        match events::write_line(event, &mut buffer) {
            Ok(line) => return out.write_all(line),
            Err(LineError::BufferTooShort(size)) if size < LONGEST => buffer.resize(size * 4, 0),
            Err(error) => return Err(io::Error::other(format!("{error:?}"))),
        }
    }
}
