//! Drivers in C that run on the host, in the process that the crate `driver_mock` plays the kernel in, against a device that a program plays.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use boot::artifacts;

/// The library of `driver_mock` for C, built once.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["rustc", "--quiet", "--package", "driver_mock", "--lib", "--crate-type", "staticlib"]);
    let target =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is a folder of the target folder");
    cargo.arg("--target-dir").arg(target).current_dir(artifacts::workspace());
    assert!(cargo.status().unwrap().success(), "driver_mock does not compile");
    target.join("debug/libdriver_mock.a")
});

/// Compiles all C files of some folders with these options, runs the program, and returns its output.
fn run(folders: &[&str], options: &[&str]) -> String {
    let ddk = artifacts::workspace().join("ddk");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tests");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=gnu17", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-DPROXIMA_HOST"]).args(options);
    compiler.arg("-I").arg(ddk.join("include")).arg("-I").arg(ddk.join("mock/include"));
    for folder in folders {
        let files = std::fs::read_dir(ddk.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        compiler.args(files.filter(|file| file.extension().is_some_and(|extension| extension == "c")));
    }
    compiler.arg(&*LIBRARY).args(["-lpthread", "-ldl", "-lm", "-o"]).arg(&program);
    assert!(compiler.status().unwrap().success(), "they do not compile");
    let run = Command::new(&program).output().unwrap();
    let (output, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{output}{errors}");
    output.into_owned()
}

const VIRTIO_BLK: [&str; 2] = ["examples/virtio_blk", "examples/virtio_blk/host"];

#[test]
fn virtio_blk_serves_its_device_in_any_order() {
    let output = run(&VIRTIO_BLK, &[]);
    assert_eq!(output.lines().filter(|line| line.ends_with("... ok")).count(), 12, "{output}");
}

#[test]
fn virtio_blk_accesses_nothing_beyond_its_memory() {
    // An access beyond what was allocated ends the program.
    let output = run(&VIRTIO_BLK, &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    assert_eq!(output.lines().filter(|line| line.ends_with("... ok")).count(), 12, "{output}");
}
