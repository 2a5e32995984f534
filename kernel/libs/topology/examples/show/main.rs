//! Shows what Proxima would make of a machine, from its firmware's tables.
mod acpidump;
mod extras;
mod json;
mod people;
mod performance;
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

Shows what Proxima would make of a machine: its nodes, their CPUs and memory, the
distances, latency and bandwidth, and whatever is wrong in the tables.

  FILE      raw tables, as in /sys/firmware/acpi/tables, or the text that acpidump
            writes, with any number of tables. SRAT, SLIT, MADT (APIC), HMAT and MSCT
            are read, any others passed over. Which of them there are, and in which
            order, does not matter; of two of a kind the first is used
  --json    for programs: a line for each finding, then one for the topology
  --help    this

The status is 1 when a file cannot be read (the others are shown all the same) or the
output cannot be written, 2 when an option is not known, else 0, whatever the files hold.
";

const UNREADABLE: u8 = 1;
const UNWRITABLE: u8 = 1;
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    run(std::env::args_os().skip(1), &mut io::stdout().lock(), &mut io::stderr().lock()).into()
}

/// What the command line asks for.
enum Request {
    Help,
    Show { files: Vec<PathBuf>, json: bool },
}

/// The whole program, but for where its output goes; returns its exit status. Complaints that nobody can read change
/// nothing.
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
        // Whoever read it, `head` perhaps, has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(complaints, "show: what was found cannot be written: {error}");
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
    let mut told = Vec::new();
    let mut findings = Capped::new(|finding: Finding| told.push(finding));
    tables.iter().for_each(|table| table.check(&mut findings));
    // As in the kernel, but for what only a running machine knows: its memory map and its boot CPU.
    let inputs = Inputs::from_tables(tables.iter().map(|table| &table.bytes[..]), &mut findings);
    let topology = Box::new(NumaTopology::build(&inputs, &mut findings));
    findings.finish();
    if !json {
        return people::show(tables, &told, &inputs, &topology, out);
    }
    for table in tables.iter().filter(|table| table.is_passed_over()) {
        let _ = writeln!(complaints, "show: {}: {} is passed over", table.file.display(), table.signature());
    }
    json::show(&told, &topology, out)
}
