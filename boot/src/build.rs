//! Builds what the verbs of `run.sh` need: kernels, disk images, the comparison, the fuzz targets.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use boot::process::attached;
use boot::{Firmware, artifacts, driver};

use crate::command::{cargo, quietly, run, say};
use crate::options::Subject;

/// The workspace of the page allocator beside other crates'. It is its own, as nothing else needs those crates.
pub const COMPARISON: &str = "kernel/libs/page-alloc/comparison";

/// The workspace of the heap beside others.
pub const HEAP_COMPARISON: &str = "kernel/libs/node-heap/comparison";

/// The workspace of the fuzz targets. It is its own, as nothing else needs libFuzzer.
pub const FUZZ: &str = "kernel/libs/topology/fuzz";

/// The host that the fuzz targets run on. Naming it spares build scripts the fuzz targets' flags.
pub const HOST: &str = "x86_64-unknown-linux-gnu";

/// The fuzz targets.
pub const FUZZ_TARGETS: [&str; 10] =
    ["srat", "slit", "madt", "hmat", "msct", "mcfg", "pci", "root", "topology", "aml"];

/// The flags that cargo-fuzz passes, without its sanitizers: everything that is fuzzed forbids unsafe code.
const FUZZ_FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The disk images that are promised.
const IMAGES: [&str; 2] = ["proxima-bios.img", "proxima-uefi.img"];

/// Builds both disk images, with the example drivers and these: files, or folders of their sources.
///
/// # Errors
/// A part of them cannot be built.
pub fn images(drivers: &[PathBuf]) -> Result<()> {
    images_at(IMAGES.map(target), |_| true, drivers, None)
}

/// Builds both disk images for machines that are not QEMU's, with these parameters of the kernel, and says what to do with them.
///
/// # Errors
/// A part of them cannot be built.
pub fn images_for_boards(drivers: &[PathBuf], parameters: Option<&str>) -> Result<()> {
    images_at(IMAGES.map(target), |_| true, drivers, parameters)?;
    for (name, firmware) in IMAGES.into_iter().zip(["BIOS, or UEFI in legacy mode", "UEFI"]) {
        let bytes = target(name).metadata()?.len();
        say(format_args!("target/{name}: {}.{} MB, for {firmware}", bytes / 1_000_000, bytes / 100_000 % 10));
    }
    say("To a USB stick, which this erases: sudo dd if=target/proxima-uefi.img of=/dev/sdX bs=4M conv=fsync");
    say("docs/hardware.md says how to find sdX, and what to set in the firmware");
    Ok(())
}

/// Builds a disk image that benchmarks boot, with these drivers and the example drivers, except those that are left out. Returns its
/// path, which `name` begins.
///
/// # Errors
/// A part of it cannot be built.
pub fn bench_image(name: &str, without: &[&str], firmware: Firmware, drivers: &[PathBuf]) -> Result<PathBuf> {
    let [bios, uefi] = ["bios", "uefi"].map(|firmware| target(&format!("{name}-{firmware}.img")));
    let is_wanted = |example: &Path| !without.iter().any(|name| example.ends_with(name));
    images_at([bios.clone(), uefi.clone()], is_wanted, drivers, None)?;
    Ok(if firmware == Firmware::Bios { bios } else { uefi })
}

fn images_at(
    [bios, uefi]: [PathBuf; 2],
    is_wanted: impl Fn(&Path) -> bool,
    drivers: &[PathBuf],
    parameters: Option<&str>,
) -> Result<()> {
    announce("x86_64-unknown-none/release/kernel", "Building the kernel");
    quietly("the kernel", &mut cargo(&["kernel", "--quiet"]))?;
    announce("image-builder/release/image", "Building the boot loader: about two minutes, once");
    quietly("the boot loader", &mut loader_cargo(&["build"]))?;
    let mut builder = attached(artifacts::image_builder()?);
    builder.arg("--kernel").arg(artifacts::kernel()?);
    builder.arg("--bios").arg(bios).arg("--uefi").arg(uefi);
    if let Some(words) = parameters {
        builder.args(["--cmdline", words]);
    }
    let examples = driver::build_examples()?;
    let own = driver::build_own(drivers)?;
    let all = || examples.iter().filter(|example| is_wanted(example)).chain(&own);
    if all().next().is_some() {
        builder.arg("--drivers").args(all());
    }
    run(&mut builder)
}

/// Builds the documents as a book, and returns its first page.
///
/// # Errors
/// It cannot be built: a link leads nowhere, for example.
pub fn book() -> Result<PathBuf> {
    announce("debug/book", "Building mdBook: about a minute, once");
    quietly("mdBook", &mut cargo(&["build", "--quiet", "--package", "book"]))?;
    let output = target("book");
    run(attached(target("debug/book")).arg(&output).stdout(Stdio::null()))?;
    Ok(output.join("index.html"))
}

/// Builds the kernel that checks its own lock order and arithmetic.
///
/// # Errors
/// It cannot be built.
pub fn checked_kernel() -> Result<()> {
    quietly("the kernel that checks itself", &mut cargo(&["checked-kernel", "--quiet"]))
}

/// Builds a comparison and returns its program.
///
/// # Errors
/// It cannot be built.
pub fn comparison(subject: Subject) -> Result<PathBuf> {
    let (workspace, program) = match subject {
        Subject::Pages => (COMPARISON, "comparison/release/comparison"),
        Subject::Heap => (HEAP_COMPARISON, "comparison/release/heap-comparison"),
    };
    announce(program, "Building the comparison");
    quietly("the comparison", &mut comparison_cargo(workspace, &["build", "--quiet", "--release"]))?;
    Ok(target(program))
}

/// Builds the program that mutates tables, and returns it.
///
/// # Errors
/// It cannot be built.
pub fn mutations() -> Result<PathBuf> {
    quietly("the mutations", &mut fuzz_cargo(&["build", "--quiet", "--release", "--bin", "mutations"]))?;
    Ok(target("fuzz/release/mutations"))
}

/// Builds the fuzz targets and returns the folder of their programs.
///
/// # Errors
/// One of them cannot be built.
pub fn fuzz_targets() -> Result<PathBuf> {
    let programs = format!("fuzz/{HOST}/release");
    announce(&format!("{programs}/topology"), "Building the fuzz targets");
    let mut build =
        fuzz_cargo(&["build", "--quiet", "--release", "--target", HOST, "--features", "libfuzzer"]);
    build.env("RUSTFLAGS", FUZZ_FLAGS).args(FUZZ_TARGETS.map(|target| format!("--bin={target}")));
    quietly("the fuzz targets", &mut build)?;
    Ok(target(&programs))
}

/// Returns a cargo command for the package that builds images.
///
/// The crate `bootloader` compiles its stages with an unstable feature of cargo. This one package has the permission for that,
/// and a target folder of its own, so that nothing else is built anew because of it.
pub fn loader_cargo(words: &[&str]) -> Command {
    let (verb, rest) = words.split_at(1);
    let mut command = cargo(verb);
    command.args(["--quiet", "--release", "--package", "image", "--target-dir", "target/image-builder"]);
    command.args(rest).env_remove("CARGO_TARGET_DIR").env("RUSTC_BOOTSTRAP", "1");
    command
}

/// Returns a cargo command for the workspace of a comparison.
pub fn comparison_cargo(workspace: &str, words: &[&str]) -> Command {
    workspace_cargo(workspace, "target/comparison", words)
}

/// Returns a cargo command for the fuzz targets' workspace.
pub fn fuzz_cargo(words: &[&str]) -> Command {
    workspace_cargo(FUZZ, "target/fuzz", words)
}

fn workspace_cargo(folder: &str, target: &str, words: &[&str]) -> Command {
    let (verb, rest) = words.split_at(1);
    let mut command = cargo(verb);
    command.arg("--manifest-path").arg(format!("{folder}/Cargo.toml"));
    command.args(["--locked", "--target-dir", target]).args(rest);
    command
}

/// Says that a build begins, unless what it makes is there: then it takes a moment.
fn announce(file: &str, what: &str) {
    if !target(file).exists() {
        say(what);
    }
}

fn target(path: &str) -> PathBuf {
    artifacts::workspace().join("target").join(Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_fuzz_target_is_built_and_run() {
        let manifest = fs::read_to_string(artifacts::workspace().join(FUZZ).join("Cargo.toml")).unwrap();
        let sections = manifest.split("[[bin]]").skip(1).filter(|section| section.contains("libfuzzer"));
        let names: Vec<_> = sections.filter_map(|section| section.split('"').nth(1)).collect();
        assert_eq!(names, FUZZ_TARGETS);
    }
}
