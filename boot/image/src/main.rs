//! Builds Proxima's disk images, one for BIOS and one for UEFI, from a kernel and the drivers that it loads at boot.
//!
//! Only this package depends on the crate `bootloader`, which compiles its stages with an unstable feature of cargo. `run.sh`
//! builds this package, and no other, with `RUSTC_BOOTSTRAP=1`.
mod kernel_file;
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

    let built = NamedTempFile::new().context("temporary file for the ramdisk")?;
    let ramdisk = match &options.ramdisk {
        Some(given) => given.clone(),
        None => {
            let archive = ramdisk::build(&options.drivers, options.cmdline.as_deref())?;
            fs::write(built.path(), archive).context("temporary file for the ramdisk")?;
            built.path().to_owned()
        }
    };

    let loaded = kernel_file::without_line_tables(kernel)?;
    let mut disk = DiskImageBuilder::new(loaded.path().to_owned());
    disk.set_ramdisk(ramdisk).set_boot_config(&loader_config());
    if let Some(path) = &options.bios {
        replace(path, |new| disk.create_bios_image(new))?;
    }
    if let Some(path) = &options.uefi {
        replace(path, |new| disk.create_uefi_image(new))?;
    }
    Ok(())
}

/// Returns the boot loader's configuration. The loader does not write to COM1, which is the kernel's; it reports a failure on
/// the screen.
fn loader_config() -> BootConfig {
    let mut config = BootConfig::default();
    config.serial_logging = false;
    config.log_level = bootloader_boot_config::LevelFilter::Error;
    config
}

/// Writes a file beside `path` and moves it there. A machine that starts meanwhile sees the whole old file or the whole new one.
fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(".".into(), PathBuf::from);
    // Temporary files are private to their owner by default; an image is as readable as any other file.
    let new = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(|| path.display().to_string())?;
    write(new.path()).with_context(|| path.display().to_string())?;
    new.persist(path).with_context(|| path.display().to_string())?;
    Ok(())
}
