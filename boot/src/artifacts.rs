//! Where the build leaves what the tests boot.
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Firmware;

/// The repository's top folder.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace member lies in a folder of it")
}

/// The disk image that `./run.sh image` built for this firmware.
///
/// # Errors
/// It was not built.
pub fn image(firmware: Firmware) -> Result<PathBuf> {
    built(match firmware {
        Firmware::Bios => "proxima-bios.img",
        Firmware::Uefi => "proxima-uefi.img",
    })
}

/// The kernel's ELF file.
///
/// # Errors
/// It was not built.
pub fn kernel() -> Result<PathBuf> {
    built("x86_64-unknown-none/release/kernel")
}

/// The same kernel, built to check itself: lock order, arithmetic.
///
/// # Errors
/// It was not built.
pub fn checked_kernel() -> Result<PathBuf> {
    built("x86_64-unknown-none/checked/kernel").context("it is built by `cargo checked-kernel`")
}

/// The program that builds disk images.
///
/// # Errors
/// It was not built.
pub fn image_builder() -> Result<PathBuf> {
    built("image-builder/release/image")
}

/// The folder of the compiled example drivers.
#[must_use]
pub fn drivers() -> PathBuf {
    target().join("drivers")
}

/// Where `./run.sh` leaves what came over COM2.
#[must_use]
pub fn events() -> PathBuf {
    target().join("events.jsonl")
}

fn target() -> PathBuf {
    workspace().join("target")
}

fn built(path: &str) -> Result<PathBuf> {
    let path = target().join(path);
    if !path.is_file() {
        bail!("{} is missing: run ./run.sh image first", path.display());
    }
    Ok(path)
}
