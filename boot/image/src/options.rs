//! The command line of the image builder.
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use lexopt::prelude::*;

/// What `--help` prints.
pub const USAGE: &str = "\
usage: image --kernel FILE [--bios FILE] [--uefi FILE] [--drivers FILE...] [--cmdline WORDS]
             [--ramdisk FILE]

  --kernel FILE      the kernel's ELF file
  --bios FILE        write a disk image for BIOS machines
  --uefi FILE        write a disk image for UEFI machines
  --drivers FILE...  drivers for the ramdisk; the name of each file must be its own
  --cmdline WORDS    kernel parameters for machines without QEMU's fw_cfg
  --ramdisk FILE     the whole ramdisk, in place of an archive of drivers and parameters
";

/// What to do.
pub enum Command {
    /// Print the usage.
    Help,
    /// Build images.
    Build(Options),
}

/// What to build, and from what.
#[derive(Default)]
pub struct Options {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The BIOS image to write, if any.
    pub bios: Option<PathBuf>,
    /// The UEFI image to write, if any.
    pub uefi: Option<PathBuf>,
    /// The driver files, in the order in which the kernel loads them.
    pub drivers: Vec<PathBuf>,
    /// The kernel parameters for the ramdisk's file `cmdline`.
    pub cmdline: Option<String>,
    /// The whole ramdisk, if it is given.
    pub ramdisk: Option<PathBuf>,
}

/// Reads the command line.
///
/// # Errors
/// An option is unknown or lacks its value, or a required option is missing.
pub fn parse(mut parser: lexopt::Parser) -> Result<Command> {
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("kernel") => options.kernel = parser.value()?.into(),
            Long("bios") => options.bios = Some(parser.value()?.into()),
            Long("uefi") => options.uefi = Some(parser.value()?.into()),
            Long("drivers") => options.drivers.extend(parser.values()?.map(PathBuf::from)),
            Long("ramdisk") => options.ramdisk = Some(parser.value()?.into()),
            Long("cmdline") => {
                options.cmdline = Some(parser.value()?.string().context("--cmdline is not UTF-8")?);
            }
            other => bail!(other.unexpected()),
        }
    }
    ensure!(!options.kernel.as_os_str().is_empty(), "--kernel is missing");
    ensure!(options.bios.is_some() || options.uefi.is_some(), "neither --bios nor --uefi is given");
    Ok(Command::Build(options))
}
