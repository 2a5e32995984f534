//! Drivers of the kit that run on the host, against a device that a program plays.
use std::process::Command;

use boot::artifacts;

#[test]
fn virtio_blk_survives_completions_that_are_bogus() {
    let kit = artifacts::workspace().join("ddk");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("bogus_completions");
    let compiled = Command::new("cc")
        .args(["-std=gnu17", "-g", "-O1", "-Wall", "-Wextra", "-Werror"])
        // An access beyond what was allocated ends the program.
        .args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"])
        .arg("-I")
        .arg(kit.join("include"))
        .arg(kit.join("examples/virtio_blk/host/bogus_completions.c"))
        .arg("-o")
        .arg(&program)
        .status();
    assert!(compiled.unwrap().success(), "it does not compile");
    let run = Command::new(&program).output().unwrap();
    let (output, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{output}{errors}");
}
