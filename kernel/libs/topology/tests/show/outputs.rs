//! What the example does where nobody reads what it writes, or nobody can.
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use super::{Folder, run, show, srat};

/// An output that takes nothing.
struct Failing(ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A table of something else, which is complained of, a sound one, and perhaps a file that is not there.
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
            let status = show::run(arguments.clone(), &mut out, &mut Failing(kind));
            assert_eq!((status, out), (u8::from(with_missing), expected.out.clone().into_bytes()));
        }
    }
    let misused = ["--jsno"].map(OsString::from);
    assert_eq!(show::run(misused, &mut Vec::new(), &mut Failing(ErrorKind::BrokenPipe)), 2);
}

#[test]
fn a_reader_who_has_seen_enough_changes_nothing_of_the_status() {
    let folder = Folder::new("enough");
    for with_missing in [false, true] {
        let arguments = arguments(&folder, with_missing);
        let mut complaints = Vec::new();
        let status = show::run(arguments.clone(), &mut Failing(ErrorKind::BrokenPipe), &mut complaints);
        assert_eq!((status, complaints), (u8::from(with_missing), run(arguments).complaints.into_bytes()));
    }
}

#[test]
fn output_that_cannot_be_written_is_complained_of() {
    let folder = Folder::new("full");
    for arguments in [arguments(&folder, false), ["--help"].map(OsString::from).to_vec()] {
        let mut complaints = Vec::new();
        let status = show::run(arguments, &mut Failing(ErrorKind::StorageFull), &mut complaints);
        assert_eq!(status, 1);
        assert!(String::from_utf8_lossy(&complaints).contains("cannot be written"));
    }
}
