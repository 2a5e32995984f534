//! Builds Proxima's disk images: one for BIOS, one for UEFI, from a kernel and the drivers it finds at boot.
//!
//! The only package that depends on crate `bootloader`, because that one compiles its stages with an unstable
//! cargo feature: `run.sh` builds this package, and nothing else, with `RUSTC_BOOTSTRAP=1`.
mod options;
mod ramdisk;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use bootloader::{BootConfig, DiskImageBuilder};
use tempfile::NamedTempFile;

use options::{Command, Options};

fn main() -> ExitCode {
    let result = match options::parse(lexopt::Parser::from_env()) {
        Ok(Command::Help) => {
            print!("{}", options::USAGE);
            Ok(())
        }
        Ok(Command::Build(options)) => build(&options),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the images that the options ask for.
fn build(options: &Options) -> Result<()> {
    let kernel = &options.kernel;
    anyhow::ensure!(kernel.is_file(), "{}: no such kernel", kernel.display());

    let archive = ramdisk::build(&options.drivers, options.cmdline.as_deref())?;
    let ramdisk = NamedTempFile::new().context("temporary file for the ramdisk")?;
    fs::write(ramdisk.path(), archive).context("temporary file for the ramdisk")?;

    let mut disk = DiskImageBuilder::new(kernel.clone());
    disk.set_ramdisk(ramdisk.path().to_owned()).set_boot_config(&loader_config());
    if let Some(path) = &options.bios {
        replace(path, |new| disk.create_bios_image(new))?;
    }
    if let Some(path) = &options.uefi {
        replace(path, |new| disk.create_uefi_image(new))?;
    }
    Ok(())
}

/// COM1 is the kernel's alone; a loader that fails still says so on the screen.
fn loader_config() -> BootConfig {
    let mut config = BootConfig::default();
    config.serial_logging = false;
    config.log_level = bootloader_boot_config::LevelFilter::Error;
    config
}

/// Writes a file beside `path` and moves it there, so that a machine started meanwhile sees the old file or the
/// new one, whole.
fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(".".into(), PathBuf::from);
    // A temporary file is its owner's alone; an image is as readable as any other file.
    let new = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(|| path.display().to_string())?;
    write(new.path()).with_context(|| path.display().to_string())?;
    new.persist(path).with_context(|| path.display().to_string())?;
    Ok(())
}
