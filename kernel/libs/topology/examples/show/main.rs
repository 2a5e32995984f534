//! Shows the topology that Proxima builds from a machine's firmware tables.
mod acpidump;
mod extras;
mod json;
mod people;
mod performance;
mod size;
mod tables;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use acpi_tables::{Capped, Finding};
use tables::Table;
use topology::{Inputs, NumaTopology};

const USAGE: &str = "\
usage: cargo run -p topology --example show -- [--json] FILE...

Shows the topology that Proxima builds for a machine: its nodes, their CPUs and memory,
the distances, latency and bandwidth, and the faults in the tables.

  FILE      raw tables, as in /sys/firmware/acpi/tables, or the text that acpidump
            writes, with any number of tables. SRAT, SLIT, MADT (APIC), HMAT and MSCT
            are read, other tables are skipped. Any of them may be missing, and their
            order does not matter. Of two tables of a kind, the first is used
  --json    output for programs: a line for each finding, then one for the topology
  --help    shows this text

The exit status is 1 if a file cannot be read (the others are still shown) or if the
output cannot be written, 2 if an option is unknown, and 0 otherwise, even if the tables
have faults.
";

const UNREADABLE: u8 = 1;
const UNWRITABLE: u8 = 1;
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    run(std::env::args_os().skip(1), &mut io::stdout().lock(), &mut io::stderr().lock()).into()
}

/// The action that the command line requests.
enum Request {
    Help,
    Show { files: Vec<PathBuf>, json: bool },
}

/// Runs the program with these outputs and returns its exit status. Ignores failures to write complaints.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    complaints: &mut dyn Write,
) -> u8 {
    let (status, written) = match parse(arguments) {
        Ok(Request::Help) => (0, out.write_all(USAGE.as_bytes())),
        Ok(Request::Show { files, json }) => {
            let mut status = 0;
            let mut tables = Vec::new();
            for file in &files {
                match std::fs::read(file) {
                    Ok(bytes) => tables.extend(tables::read(file, bytes, complaints)),
                    Err(error) => {
                        status = UNREADABLE;
                        let _ = writeln!(complaints, "show: {}: {error}", file.display());
                    }
                }
            }
            (status, show(&tables, json, out, complaints))
        }
        Err(error) => {
            let _ = write!(complaints, "show: {error}\n\n{USAGE}");
            (MISUSED, Ok(()))
        }
    };
    match written.and_then(|()| out.flush()) {
        // A broken pipe means that the reader, such as `head`, needs no more output.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(complaints, "show: the output cannot be written: {error}");
            UNWRITABLE
        }
        _ => status,
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut files, mut json) = (Vec::new(), false);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("json") => json = true,
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(Request::Help),
            lexopt::Arg::Value(file) => files.push(file.into()),
            other => return Err(other.unexpected()),
        }
    }
    Ok(if files.is_empty() { Request::Help } else { Request::Show { files, json } })
}

fn show(tables: &[Table], json: bool, out: &mut dyn Write, complaints: &mut dyn Write) -> io::Result<()> {
    let mut reported = Vec::new();
    let mut findings = Capped::new(|finding: Finding| reported.push(finding));
    tables.iter().for_each(|table| table.check(&mut findings));
    // The same steps as in the kernel, without the memory map and the boot CPU of a running machine.
    let inputs = Inputs::from_tables(tables.iter().map(|table| &table.bytes[..]), &mut findings);
    let topology = Box::new(NumaTopology::build(&inputs, &mut findings));
    findings.finish();
    if !json {
        return people::show(tables, &reported, &inputs, &topology, out);
    }
    for table in tables.iter().filter(|table| table.is_skipped()) {
        let _ = writeln!(complaints, "show: {}: {} is skipped", table.file.display(), table.signature());
    }
    json::show(&reported, &topology, out)
}
