//! Compiles drivers as the driver kit documents it: drivers in C with the C compiler, drivers in Rust with `ddk/driver/build.sh`.
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::artifacts;

/// The flags that make a shared object which the kernel's loader accepts. The kernel does not save the FPU's state, so drivers
/// use only the general registers. A large frame touches each of its pages, so that it does not step over the guard area of its
/// stack. Segments have pages of their own, so that no page is both written and executed.
const FLAGS: [&str; 13] = [
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
    "-fstack-clash-protection",
    "-Wl,-z,now,-z,separate-code",
];

/// Compiles each driver of `ddk/examples` to `target/drivers/<folder>.so`, if that file is older than the driver's sources or
/// what they include. Removes files there whose folder is gone. Returns the drivers.
///
/// # Errors
/// A compiler is missing or fails.
pub fn build_examples() -> Result<Vec<PathBuf>> {
    let out = artifacts::drivers();
    fs::create_dir_all(&out).with_context(|| out.display().to_string())?;

    let mut drivers = Vec::new();
    for folder in entries(&artifacts::workspace().join("ddk/examples"))? {
        let Some(name) = folder.file_name() else { continue };
        let driver = out.join(name).with_added_extension("so");
        let sources = files(&folder, "c")?;
        if is_in_rust(&folder) {
            build_from_rust(&folder, &driver)?;
        } else if !sources.is_empty() {
            build_from_c(&sources, &folder, &driver)?;
        } else {
            continue;
        }
        drivers.push(driver);
    }
    for stray in files(&out, "so")?.iter().filter(|file| !drivers.contains(file)) {
        fs::remove_file(stray).with_context(|| stray.display().to_string())?;
    }
    Ok(drivers)
}

/// Builds the driver of a folder: the Cargo package that is there, else its C files.
///
/// # Errors
/// A compiler is missing or fails, or the folder has no driver.
pub fn build(folder: &Path, driver: &Path) -> Result<()> {
    if is_in_rust(folder) {
        return build_from_rust(folder, driver);
    }
    let sources = files(folder, "c")?;
    if sources.is_empty() {
        bail!("{}: no driver is here", folder.display());
    }
    compile(&sources, driver)
}

/// Returns the files of a user's drivers. Those that are folders of sources are built to `target/own-drivers/<folder>.so`.
///
/// # Errors
/// A compiler is missing or fails, or a folder has no driver.
pub fn build_own(drivers: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let out = artifacts::target().join("own-drivers");
    fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    let file = |driver: &PathBuf| {
        if !driver.is_dir() {
            return Ok(driver.clone());
        }
        let folder = driver.canonicalize().with_context(|| driver.display().to_string())?;
        let name = folder.file_name().with_context(|| format!("{}: no name", folder.display()))?;
        let file = out.join(name).with_added_extension("so");
        build(&folder, &file)?;
        Ok(file)
    };
    drivers.iter().map(file).collect()
}

/// Builds a BIOS image with these drivers, of folders in `ddk/tests`, `ddk/examples` or `ddk/tutorial`, and no others.
///
/// # Errors
/// The compiler or the image builder is missing or fails.
pub fn build_test_image(names: &[&str], image: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut drivers = Vec::new();
    for name in names {
        let driver = folder.path().join(name).with_added_extension("so");
        build(&folder_of(name), &driver)?;
        drivers.push(driver);
    }
    build_image(image, &drivers)
}

/// Builds a driver that is found as [`build_test_image`] does.
///
/// # Errors
/// A compiler is missing or fails.
pub fn build_named(name: &str, driver: &Path) -> Result<()> {
    build(&folder_of(name), driver)
}

/// Returns the folder with the sources of a driver in `ddk/tests`, `ddk/examples` or `ddk/tutorial`.
fn folder_of(name: &str) -> PathBuf {
    let folders = ["ddk/tests", "ddk/examples", "ddk/tutorial"]
        .map(|parent| artifacts::workspace().join(parent).join(name));
    let [first, ..] = &folders;
    folders.iter().find(|folder| folder.is_dir()).unwrap_or(first).clone()
}

/// Builds a BIOS image with this kernel, these files of drivers, and then drivers that are found as [`build_test_image`] does, each with the
/// name that it has in the image.
///
/// # Errors
/// The compiler or the image builder is missing or fails.
pub fn build_image_of(
    kernel: &Path,
    first: &[PathBuf],
    drivers: &[(&str, String)],
    image: &Path,
) -> Result<()> {
    let (built, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut files = first.to_vec();
    for (source, name) in drivers {
        let driver = built.path().join(source).with_added_extension("so");
        if !driver.exists() {
            build(&folder_of(source), &driver)?;
        }
        let file = folder.path().join(name).with_added_extension("so");
        fs::copy(&driver, &file)?;
        files.push(file);
    }
    build_image_with(kernel, image, &files)
}

/// Builds a BIOS image with these drivers.
///
/// # Errors
/// The image builder is missing or fails.
pub fn build_image(image: &Path, drivers: &[PathBuf]) -> Result<()> {
    build_image_with(&artifacts::kernel()?, image, drivers)
}

fn build_image_with(kernel: &Path, image: &Path, drivers: &[PathBuf]) -> Result<()> {
    let mut builder = Command::new(artifacts::image_builder()?);
    builder.arg("--kernel").arg(kernel).arg("--bios").arg(image);
    let status = builder.arg("--drivers").args(drivers).status()?;
    if !status.success() {
        bail!("{}: the image builder failed ({status})", image.display());
    }
    Ok(())
}

/// Builds a BIOS image whose drivers exhaust the memory: the examples, then `ddk/tests/hoarding`, then two more drivers.
///
/// # Errors
/// The compiler or the image builder is missing or fails.
pub fn build_exhausting_image(image: &Path) -> Result<()> {
    let mut drivers = build_examples()?;
    let folder = tempfile::tempdir()?;
    let hoarding = folder.path().join("hoarding.so");
    compile(&[artifacts::workspace().join("ddk/tests/hoarding/hoarding.c")], &hoarding)?;
    drivers.push(hoarding);
    for name in ["hello", "numa_threads"] {
        let copy = folder.path().join(format!("{name}_after.so"));
        fs::copy(artifacts::drivers().join(name).with_added_extension("so"), &copy)?;
        drivers.push(copy);
    }
    build_image(image, &drivers)
}

/// Builds a BIOS image with the example drivers, and then so many copies of one in C of a folder in `ddk/tests`, which run one after
/// the other.
///
/// # Errors
/// The compiler or the image builder is missing or fails.
pub fn build_repeating_image(name: &str, copies: u64, image: &Path) -> Result<()> {
    let mut drivers = build_examples()?;
    let folder = tempfile::tempdir()?;
    let driver = folder.path().join(name).with_added_extension("so");
    build(&artifacts::workspace().join("ddk/tests").join(name), &driver)?;
    for number in 1..=copies {
        let copy = folder.path().join(format!("{name}_{number}.so"));
        fs::copy(&driver, &copy)?;
        drivers.push(copy);
    }
    build_image(image, &drivers)
}

fn build_from_c(sources: &[PathBuf], folder: &Path, driver: &Path) -> Result<()> {
    let headers = files(&artifacts::workspace().join("ddk/include"), "h")?;
    let own_headers = files(folder, "h")?;
    if is_stale(driver, sources.iter().chain(&headers).chain(&own_headers))? {
        replace(driver, |new| compile(sources, new))?;
    }
    Ok(())
}

/// Returns true if the driver of a folder is a Cargo package.
fn is_in_rust(folder: &Path) -> bool {
    folder.join("Cargo.toml").is_file()
}

/// Builds a driver in Rust: a package that depends on the crate `driver_kit`, or on `abi` alone.
fn build_from_rust(folder: &Path, driver: &Path) -> Result<()> {
    let workspace = artifacts::workspace();
    let mut parts = vec![workspace.join("rust-toolchain.toml"), workspace.join("Cargo.toml")];
    parts.extend(all_files(folder)?);
    for part in ["ddk/abi", "ddk/driver"] {
        parts.extend(all_files(&workspace.join(part))?);
    }
    if is_stale(driver, &parts)? {
        let script = workspace.join("ddk/driver/build.sh");
        replace(driver, |new| {
            let status = Command::new(&script).arg(folder).arg(new).status();
            let status = status.with_context(|| script.display().to_string())?;
            if !status.success() {
                bail!("{}: {} failed ({status})", driver.display(), script.display());
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Makes a new file, and puts it in the place of `file` at once: another process may read that file, or replace it as well.
fn replace(file: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = file.parent().context("a driver lies in a folder")?;
    let new = tempfile::Builder::new().suffix(".new").tempfile_in(folder)?.into_temp_path();
    make(&new)?;
    new.persist(file).with_context(|| file.display().to_string())
}

/// Compiles one driver from its C files.
///
/// # Errors
/// The compiler is missing or fails.
pub fn compile(sources: &[PathBuf], driver: &Path) -> Result<()> {
    compile_with(&[], sources, driver)
}

/// Compiles one driver from its C files, with flags that follow those of every driver and override them.
///
/// # Errors
/// The compiler is missing or fails.
pub fn compile_with(flags: &[&str], sources: &[PathBuf], driver: &Path) -> Result<()> {
    let mut compiler = Command::new("cc");
    compiler.args(FLAGS).args(flags).arg("-I").arg(artifacts::workspace().join("ddk/include"));
    compiler.args(sources).arg("-o").arg(driver);
    let output = compiler.output().context("the C compiler, cc, could not be started")?;
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{}: cc failed ({})", driver.display(), output.status);
    }
    Ok(())
}

/// Returns true if the file is missing, or older than one of its parts.
fn is_stale<'a>(file: &Path, parts: impl IntoIterator<Item = &'a PathBuf>) -> Result<bool> {
    let Ok(made) = modified(file) else { return Ok(true) };
    // The compiler's flags are part of this program. The link leads to it even if its file was replaced meanwhile.
    let mut newest = modified(Path::new("/proc/self/exe"))?;
    for part in parts {
        newest = newest.max(modified(part)?);
    }
    Ok(newest > made)
}

fn modified(file: &Path) -> Result<SystemTime> {
    fs::metadata(file).and_then(|data| data.modified()).with_context(|| file.display().to_string())
}

/// Returns the files of a folder with this ending, sorted.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let extension = Some(OsString::from(extension));
    Ok(entries(folder)?.into_iter().filter(|file| file.extension() == extension.as_deref()).collect())
}

/// Returns the files of a folder and of all folders in it, except for what Cargo builds there.
fn all_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            if !path.ends_with("target") {
                files.extend(all_files(&path)?);
            }
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// Returns the entries of a folder, sorted; none if there is no such folder.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;

    /// Set where a test runs again as a program of its own: the file that the program removes, which is its own.
    const OWN_FILE: &str = "PROXIMA_TEST_OWN_FILE";

    /// `cargo test` may replace `target/debug/boot` while it runs.
    #[test]
    fn a_program_whose_file_was_replaced_still_tells_whether_drivers_are_stale() {
        if let Some(own_file) = env::var_os(OWN_FILE) {
            fs::remove_file(own_file).unwrap();
            assert!(!is_stale(Path::new("/proc/self/stat"), []).unwrap());
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        fs::copy(env::current_exe().unwrap(), &copy).unwrap();
        let name = "driver::tests::a_program_whose_file_was_replaced_still_tells_whether_drivers_are_stale";
        let run = Command::new(&copy).args(["--exact", name]).env(OWN_FILE, &copy).output().unwrap();
        let output = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && output.contains("1 passed"), "{output}");
    }
}
