//! Files of the ramdisk that have no name of a driver are refused with their reason, and no name forges a line of the log.
mod common;

use std::fs;
use std::process::Command;

use boot::event::Driver;
use boot::{Machine, Run, Verdict, artifacts};
use common::{assert_complete, boot};

/// The kind of an entry (POSIX.1-2024, pax, "ustar Interchange Format").
const FILE: u8 = b'0';
const LINK: u8 = b'2';
const FOLDER: u8 = b'5';

/// Returns an entry of a ustar archive.
fn entry(path: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..path.len()].copy_from_slice(path);
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[148..156].fill(b' ');
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut entry = [&header[..], content].concat();
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// Boots with these entries in the ramdisk. `FILE` stands for the example driver `hello`.
fn boot_with(entries: &[(&[u8], u8)]) -> Run {
    let driver = fs::read(artifacts::drivers().join("hello.so")).unwrap();
    let content = |kind| if kind == FILE { &driver[..] } else { &[] };
    let mut archive: Vec<u8> =
        entries.iter().flat_map(|(path, kind)| entry(path, *kind, content(*kind))).collect();
    archive.extend([0; 1024]);
    let folder = tempfile::tempdir().unwrap();
    let (ramdisk, image) = (folder.path().join("ramdisk"), folder.path().join("disk.img"));
    fs::write(&ramdisk, archive).unwrap();
    let mut builder = Command::new(artifacts::image_builder().unwrap());
    builder.arg("--kernel").arg(artifacts::kernel().unwrap()).arg("--bios").arg(&image);
    assert!(builder.arg("--ramdisk").arg(&ramdisk).status().unwrap().success());
    let run = boot(&Machine::two_nodes().image(image).parameters("selftest"), Verdict::Success);
    assert_complete(&run, &run.topology());
    run
}

#[test]
fn files_without_the_name_of_a_driver_are_refused_with_the_reason() {
    let run = boot_with(&[
        (b"drivers/", FOLDER),
        (b"drivers/hello.so", FILE),
        (b"drivers/.so", FILE),
        (b"drivers/folder.so/", FOLDER),
        (b"drivers/folder.so/inner.so", FILE),
        (b"drivers/hello.so", FILE),
        (b"drivers/hello", FILE),
        (b"drivers/link.so", LINK),
        (b"other/hello.so", FILE),
        (b"drivers/last.so", FILE),
    ]);
    let of = |driver: &Driver| (driver.name.clone(), driver.reason.clone().unwrap_or_default());
    let refused: Vec<_> = run.drivers().iter().filter(|driver| driver.status == "refused").map(of).collect();
    let expected = [
        (".so", "its file's name is nothing but an ending"),
        ("folder.so/", "it is a folder, not a file"),
        ("folder.so/inner.so", "it lies in a folder of its own, not among the drivers"),
        ("hello.so", "a file before it has the same name"),
        ("hello", "a file before it has the same name"),
        ("link.so", "it is not a file"),
    ];
    assert_eq!(refused, expected.map(|(name, reason)| (name.into(), reason.into())), "\n{}", run.serial);
    let loaded = run.drivers().into_iter().filter(|driver| driver.status == "loaded");
    assert!(loaded.map(|driver| driver.name).eq(["hello", "last"]), "\n{}", run.serial);
}

#[test]
fn no_file_name_forges_a_line_of_the_log() {
    let run = boot_with(&[
        (b"drivers/a\nINFO  boot: complete, forged.so", FILE),
        (b"drivers/b\r\x1b[2J.so", FILE),
        (b"drivers/\xff.so", FILE),
    ]);
    let completed = run.lines().filter(|line| line.starts_with("INFO  boot: complete"));
    assert_eq!(completed.count(), 1, "\n{}", run.serial);
    let names: Vec<_> = run.drivers().into_iter().map(|driver| driver.name).collect();
    assert_eq!(names, [r"a\nINFO  boot: complete, forged", r"b\r\u{1b}[2J"]);
    // The driver logs under its name.
    assert!(run.lines().any(|line| line.starts_with(r"INFO  b\r\u{1b}[2J: ")), "\n{}", run.serial);
    assert!(run.lines().any(|line| line.contains("its path is not UTF-8")), "\n{}", run.serial);
}
