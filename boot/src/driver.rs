//! Compiles drivers written in C, the way the driver kit documents it.
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::artifacts;

/// What makes a shared object that the kernel's loader takes. The FPU belongs to nobody, hence only the general
/// registers; segments are kept apart, so that no page is both written and executed.
const FLAGS: [&str; 12] = [
    "-std=c17",
    "-O2",
    "-Wall",
    "-Wextra",
    "-ffreestanding",
    "-fPIC",
    "-shared",
    "-nostdlib",
    "-mno-red-zone",
    "-mgeneral-regs-only",
    "-fno-stack-protector",
    "-Wl,-z,now,-z,separate-code",
];

/// Compiles each folder of `ddk/examples` that has C files to `target/drivers/<folder>.so`, where that is older than
/// its sources or the headers, and removes what has no folder any more.
///
/// # Errors
/// A compiler that is missing or complains.
pub fn build_examples() -> Result<Vec<PathBuf>> {
    let kit = artifacts::workspace().join("ddk");
    let headers = files(&kit.join("include"), "h")?;
    let out = artifacts::drivers();
    fs::create_dir_all(&out).with_context(|| out.display().to_string())?;

    let mut drivers = Vec::new();
    for folder in entries(&kit.join("examples"))? {
        let sources = files(&folder, "c")?;
        let (false, Some(name)) = (sources.is_empty(), folder.file_name()) else { continue };
        let driver = out.join(name).with_added_extension("so");
        let own_headers = files(&folder, "h")?;
        if is_stale(&driver, sources.iter().chain(&headers).chain(&own_headers))? {
            compile(&sources, &driver)?;
        }
        drivers.push(driver);
    }
    for stray in files(&out, "so")?.iter().filter(|file| !drivers.contains(file)) {
        fs::remove_file(stray).with_context(|| stray.display().to_string())?;
    }
    Ok(drivers)
}

/// Compiles one driver from its C files.
///
/// # Errors
/// A compiler that is missing or complains.
pub fn compile(sources: &[PathBuf], driver: &Path) -> Result<()> {
    let mut compiler = Command::new("cc");
    compiler.args(FLAGS).arg("-I").arg(artifacts::workspace().join("ddk/include"));
    compiler.args(sources).arg("-o").arg(driver);
    let output = compiler.output().context("the C compiler, cc, could not be started")?;
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{}: cc failed ({})", driver.display(), output.status);
    }
    Ok(())
}

/// Whether the file is missing, or older than one of those it is made of.
fn is_stale<'a>(file: &Path, parts: impl IntoIterator<Item = &'a PathBuf>) -> Result<bool> {
    let Ok(made) = modified(file) else { return Ok(true) };
    // The flags are this program's.
    let mut newest = modified(&std::env::current_exe()?)?;
    for part in parts {
        newest = newest.max(modified(part)?);
    }
    Ok(newest > made)
}

fn modified(file: &Path) -> Result<SystemTime> {
    fs::metadata(file).and_then(|data| data.modified()).with_context(|| file.display().to_string())
}

/// The files of a folder with this ending, sorted.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let extension = Some(OsString::from(extension));
    Ok(entries(folder)?.into_iter().filter(|file| file.extension() == extension.as_deref()).collect())
}

/// What lies in a folder, sorted; nothing where there is no folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = read().with_context(|| folder.display().to_string())?;
    paths.sort();
    Ok(paths)
}
