//! Tests of outputs that nobody reads or that cannot be written.
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use super::{Folder, run, show, srat};

/// An output that fails on every write.
struct Failing(ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns arguments with a table that is skipped with a complaint, a correct one, and maybe a missing file.
fn arguments(folder: &Folder, with_missing: bool) -> Vec<OsString> {
    let mut other = srat();
    other[..4].copy_from_slice(b"DSDT");
    let files = [folder.file("other", other), folder.file("srat", srat())];
    let missing: Option<PathBuf> = with_missing.then(|| folder.0.join("nowhere"));
    let files = missing.into_iter().chain(files).map(OsString::from);
    [OsString::from("--json")].into_iter().chain(files).collect()
}

#[test]
fn complaints_that_cannot_be_written_cost_neither_the_output_nor_the_status() {
    let folder = Folder::new("complaints");
    for with_missing in [false, true] {
        let arguments = arguments(&folder, with_missing);
        let expected = run(arguments.clone());
        assert!(expected.out.contains("\"event\":\"topology\""), "{}", expected.out);
        for kind in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
            let mut out = Vec::new();
            let status = show::run(arguments.clone(), &mut io::empty(), &mut out, &mut Failing(kind));
            assert_eq!((status, out), (u8::from(with_missing), expected.out.clone().into_bytes()));
        }
    }
    let misused = ["--jsno"].map(OsString::from);
    assert_eq!(show::run(misused, &mut io::empty(), &mut Vec::new(), &mut Failing(ErrorKind::BrokenPipe)), 2);
}

#[test]
fn a_reader_that_stops_early_does_not_change_the_status() {
    let folder = Folder::new("enough");
    for with_missing in [false, true] {
        let arguments = arguments(&folder, with_missing);
        let mut complaints = Vec::new();
        let status = show::run(
            arguments.clone(),
            &mut io::empty(),
            &mut Failing(ErrorKind::BrokenPipe),
            &mut complaints,
        );
        assert_eq!((status, complaints), (u8::from(with_missing), run(arguments).complaints.into_bytes()));
    }
}

#[test]
fn output_that_cannot_be_written_causes_a_complaint() {
    let folder = Folder::new("full");
    for arguments in [arguments(&folder, false), ["--help"].map(OsString::from).to_vec()] {
        let mut complaints = Vec::new();
        let status =
            show::run(arguments, &mut io::empty(), &mut Failing(ErrorKind::StorageFull), &mut complaints);
        assert_eq!(status, 1);
        assert!(String::from_utf8_lossy(&complaints).contains("cannot be written"));
    }
}
