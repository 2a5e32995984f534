//! The soak `wild-writes`: the drivers of the disks write random numbers to random addresses, of all that is mapped, and are loaded again.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use boot::{Machine, Verdict, artifacts, driver};

use crate::soak::boots::BOOT_LIMIT;
use crate::soak::together;

/// The most writes of one boot.
const OF_A_BOOT: u64 = 250;
/// How long a write may take, with the driver's end and its next start, on a host that has other work.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// The seed of the first boot.
const SEED: u64 = 20_261_128;
/// So many of a hundred writes at least fail their driver.
const LEAST_PERCENT: u64 = 99;

/// Has the drivers write so many times.
///
/// # Errors
/// The machine is lost, a disk does not serve again, or too many writes are not noticed.
pub fn soak(count: u64, seed: Option<u64>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let drivers = [nvme(folder.path())?, virtio_blk(folder.path())?];
    let seed = seed.unwrap_or(SEED);
    let (done, begin) = (AtomicU64::new(0), Instant::now());
    let rest = together::each(0..count.div_ceil(OF_A_BOOT), |number| {
        let (writes, seed) = (OF_A_BOOT.min(count - number * OF_A_BOOT), seed + number);
        let rest = one_boot(&drivers, writes, seed)
            .with_context(|| format!("`./run.sh soak wild-writes {writes} {seed}`"))?;
        let done = done.fetch_add(writes, Ordering::Relaxed) + writes;
        let rate = done as f64 / begin.elapsed().as_secs_f64();
        println!(
            "soak wild-writes: {done} writes, {rate:.1} a second; seed {seed}: {} not noticed",
            rest.len()
        );
        rest.iter().for_each(|line| println!("  {line}"));
        Ok(rest)
    })?;
    let rest: Vec<String> = rest.into_iter().flatten().collect();
    let unnoticed = rest.len() as u64;
    let of_call_stacks = rest.iter().filter(|line| line.ends_with(CALL_STACKS)).count() as u64;
    println!(
        "soak wild-writes: of {count} writes, {} failed the driver, {of_call_stacks} changed call stacks, {} the driver's own memory, and no \
         machine was lost",
        count - unnoticed,
        unnoticed - of_call_stacks
    );
    ensure!(
        (count - unnoticed) * 100 >= count * LEAST_PERCENT,
        "{unnoticed} of {count} writes were not noticed"
    );
    Ok(())
}

/// Boots a machine for so many writes. Returns what the log says of those that have not failed the driver.
fn one_boot(drivers: &[PathBuf], writes: u64, seed: u64) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("wild_writes.so");
    let flags = [format!("-DSEED={seed}ull"), format!("-DWRITES={writes}")];
    let source = tests().join("wild_writes/wild_writes.c");
    driver::compile_with(&flags.each_ref().map(String::as_str), &[source], &file)?;
    let image = folder.path().join("wild.img");
    driver::build_image(&image, &[drivers, &[file]].concat())?;
    // Without parameters the kernel protects memory, and does not end the machine before the driver has started.
    let machine = Machine::two_nodes().image(&image).without_parameters();
    let machine = together::with_clock(machine, seed).command_at("INFO  wild_writes: end", "quit");
    let machine = if together::is_concurrent(seed) { machine } else { machine.disks_of_zeros() };
    let run = machine.run(BOOT_LIMIT + WRITE_LIMIT * u32::try_from(writes)?)?;
    let is_unnoticed = |line: &&str| line.contains("the driver goes on after");
    let unnoticed: Vec<String> = run.lines().filter(is_unnoticed).map(str::to_owned).collect();
    let (failed, others) = (writes - unnoticed.len() as u64, unnoticed.len());
    let end = format!("{END}{failed:06} failed the driver, {others:06} did not; this holds: 1");
    if !matches!(run.verdict, Verdict::None(status) if status.success()) || !run.serial.contains(&end) {
        eprint!("{}{}", run.serial, run.complaints);
        bail!("the machine or a disk is lost: {}", run.verdict);
    }
    Ok(unnoticed)
}

/// How the lines of the driver end about writes of the stacks that all drivers may write (`WILD_CALL_STACKS` in `ddk/tests/wild.h`).
const CALL_STACKS: &str = ", key 15";

/// How the line of the driver about its end begins.
const END: &str = "INFO  wild_writes: done: ";

fn tests() -> PathBuf {
    artifacts::workspace().join("ddk/tests")
}

/// The flags with which the hook takes the place of the export.
const WRAP: &str = "-Wl,--wrap=Kernel_CompleteBlock";

/// Builds the driver of virtio disks with the hook.
fn virtio_blk(folder: &Path) -> Result<PathBuf> {
    let sources = artifacts::workspace().join("ddk/examples/virtio_blk");
    let mut files: Vec<PathBuf> =
        sources.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "c"));
    files.push(tests().join("wild_hook.c"));
    let driver = folder.join("virtio_blk.so");
    driver::compile_with(&[WRAP], &files, &driver)?;
    Ok(driver)
}

/// Builds the driver of NVMe disks with the hook: the library that `ddk/driver/build.sh` has made, linked again.
fn nvme(folder: &Path) -> Result<PathBuf> {
    let driver = folder.join("nvme.so");
    driver::build(&artifacts::workspace().join("ddk/examples/nvme"), &driver)?;
    let library = artifacts::target().join("ddk/x86_64-unknown-none/release/libnvme.a");
    let hook = tests().join("wild_hook.c");
    let (exports, include) =
        (artifacts::workspace().join("ddk/driver/exports.map"), artifacts::workspace().join("ddk/include"));
    let mut linker = Command::new("cc");
    linker.args([
        "-shared",
        "-nostdlib",
        "-O2",
        "-ffreestanding",
        "-fPIC",
        "-mno-red-zone",
        "-mgeneral-regs-only",
    ]);
    linker.args([
        "-fno-stack-protector",
        "-Wl,--strip-debug",
        "-Wl,-z,now,-z,separate-code,--gc-sections",
        WRAP,
    ]);
    linker.arg(format!("-Wl,--version-script={}", exports.display())).arg("-I").arg(include);
    linker.arg(hook).arg("-Wl,--whole-archive").arg(library).arg("-o").arg(&driver);
    ensure!(linker.status()?.success(), "the driver nvme cannot be linked with the hook");
    Ok(driver)
}
