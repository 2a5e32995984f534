//! Shows the topology that Proxima builds from a machine's firmware tables.
mod acpidump;
mod arm;
mod bridges;
mod content;
mod extras;
mod json;
mod people;
mod performance;
mod picture;
mod size;
mod source;
mod tables;

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acpi_tables::{Action, Capped, Finding, Rule};
use tables::Table;
use topology::{Inputs, NumaTopology};

const USAGE: &str = "\
usage: cargo run -p topology --example show -- [--json | --svg PICTURE] FILE...

Shows the topology that Proxima builds for a machine: its nodes, their CPUs and memory,
the distances, latency and bandwidth, and the faults in the tables.

  FILE      raw tables, as in /sys/firmware/acpi/tables, or the text that acpidump or
            iasl -d writes, with any number of tables; a folder of such files; or - for
            the standard input. Text may be quoted mail or UTF-16, and files may be
            packed with gzip. SRAT, SLIT, MADT (APIC), HMAT and MSCT are read, other
            tables are skipped. Any of them may be missing, and their order does not
            matter. Of two tables of a kind, the first without a fault is used. Beside
            them, the PCI host bridges in DSDT and SSDT are shown as text
  --json    output for programs: a line for each finding, then one for the topology
  --svg PICTURE  draws the machine instead: an SVG file with its nodes, their memory and
            CPUs, the distances between them, and the findings. - is the standard output
  --help    shows this text

The exit status is 1 if a file cannot be read or contains no table (the others are still
shown), if no file contains a table that is read, or if the output cannot be written. It
is 2 if an option is unknown, and 0 otherwise, even if the tables have faults.
";

const UNREADABLE: u8 = 1;
const UNWRITABLE: u8 = 1;
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let (input, out) = (&mut io::stdin().lock(), &mut io::stdout().lock());
    run(std::env::args_os().skip(1), input, out, &mut io::stderr().lock()).into()
}

/// The action that the command line requests.
enum Request {
    Help,
    Show { files: Vec<PathBuf>, form: Form },
}

/// The form of the output.
enum Form {
    Text,
    Json,
    /// A picture in this file.
    Svg(PathBuf),
}

/// Runs the program with this input and these outputs and returns its exit status. Ignores failures to write complaints.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    input: &mut dyn Read,
    out: &mut dyn Write,
    complaints: &mut dyn Write,
) -> u8 {
    let (status, written) = match parse(arguments) {
        Ok(Request::Help) => (0, out.write_all(USAGE.as_bytes())),
        Ok(Request::Show { files, form }) => {
            let mut status = 0;
            let tables = read(&files, input, &mut status, complaints);
            if tables.iter().all(Table::is_skipped) {
                complain_about_nothing(&tables, status, complaints);
                (UNREADABLE, Ok(()))
            } else {
                let written = show(&tables, &form, &mut status, out, complaints);
                (status, written)
            }
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

/// Returns the tables of all files. Sets the status if one cannot be read or contains no table.
fn read(files: &[PathBuf], input: &mut dyn Read, status: &mut u8, complaints: &mut dyn Write) -> Vec<Table> {
    let mut all = Vec::new();
    for source in files.iter().flat_map(|file| source::read(file, input)) {
        let file = source.file.clone();
        match tables::read(source, complaints) {
            Ok(tables) => all.extend(tables),
            Err(error) => {
                *status = UNREADABLE;
                let _ = writeln!(complaints, "show: {}: {error}", file.display());
            }
        }
    }
    all
}

/// Complains that the tables say nothing about the machine, unless each file has its complaint already.
fn complain_about_nothing(tables: &[Table], status: u8, complaints: &mut dyn Write) {
    if status == 0 || !tables.is_empty() {
        let signatures: Vec<_> = tables.iter().map(|table| table.signature().to_string()).collect();
        let _ = writeln!(
            complaints,
            "show: none of the tables ({}) is an SRAT, SLIT, MADT (APIC), HMAT or MSCT",
            signatures.join(", ")
        );
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut files, mut json, mut svg) = (Vec::new(), false, None);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("json") => json = true,
            lexopt::Arg::Long("svg") => svg = Some(PathBuf::from(parser.value()?)),
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(Request::Help),
            lexopt::Arg::Value(file) => files.push(file.into()),
            other => return Err(other.unexpected()),
        }
    }
    let form = match (json, svg) {
        (true, Some(_)) => return Err("--json and --svg exclude each other".into()),
        (true, None) => Form::Json,
        (false, Some(file)) => Form::Svg(file),
        (false, None) => Form::Text,
    };
    Ok(if files.is_empty() { Request::Help } else { Request::Show { files, form } })
}

fn show(
    tables: &[Table],
    form: &Form,
    status: &mut u8,
    out: &mut dyn Write,
    complaints: &mut dyn Write,
) -> io::Result<()> {
    let mut reported = Vec::new();
    let mut findings = Capped::new(|finding: Finding| reported.push(finding));
    tables.iter().for_each(|table| table.check(&mut findings));
    // The same steps as in the kernel, without the memory map and the boot CPU of a running machine.
    let inputs = Inputs::from_tables(tables.iter().map(|table| &table.bytes[..]), &mut findings);
    let topology = Box::new(NumaTopology::build(&inputs, &mut findings));
    findings.finish();
    // Without CPUs and memory, the tables that were refused may be those that describe them.
    let is_unknown = topology.cpus().is_empty()
        && topology.ranges().is_empty()
        && reported
            .iter()
            .any(|finding| (finding.rule, finding.action) == (Rule::TableLength, Action::Refused));
    let topology = (!is_unknown).then_some(&*topology);
    if is_unknown {
        *status = UNREADABLE;
        let _ = writeln!(complaints, "show: the tables that can be read describe no CPU and no memory");
    }
    if let Form::Text = form {
        return people::show(tables, &reported, &inputs, topology, out);
    }
    for table in tables.iter().filter(|table| table.is_skipped()) {
        let _ = writeln!(complaints, "show: {}: {} is skipped", table.file.display(), table.signature());
    }
    if let Some(note) = arm::note(&inputs) {
        let _ = writeln!(complaints, "show: {note}");
    }
    match (form, topology) {
        (Form::Svg(file), Some(topology)) => write_picture(file, &picture::draw(topology, &reported), out),
        (Form::Svg(_), None) => Ok(()),
        _ => json::show(&reported, topology, out),
    }
}

/// Writes a picture to a file, or to the standard output.
fn write_picture(file: &Path, picture: &str, out: &mut dyn Write) -> io::Result<()> {
    if file == Path::new("-") { out.write_all(picture.as_bytes()) } else { fs::write(file, picture) }
}
