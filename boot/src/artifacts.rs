//! Where the build puts what the tests boot.
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Firmware;

/// Returns the repository's top folder.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member is in a folder of the workspace")
}

/// Returns the disk image that `./run.sh image` built for this firmware.
///
/// # Errors
/// The file was not built.
pub fn image(firmware: Firmware) -> Result<PathBuf> {
    built(match firmware {
        Firmware::Bios => "proxima-bios.img",
        Firmware::Uefi => "proxima-uefi.img",
    })
}

/// Returns the kernel's ELF file.
///
/// # Errors
/// The file was not built.
pub fn kernel() -> Result<PathBuf> {
    built("x86_64-unknown-none/release/kernel")
}

/// Returns the ELF file of the kernel that checks its own lock order and arithmetic.
///
/// # Errors
/// The file was not built.
pub fn checked_kernel() -> Result<PathBuf> {
    built("x86_64-unknown-none/checked/kernel").context("it is built by `cargo checked-kernel`")
}

/// Returns the program that builds disk images.
///
/// # Errors
/// The file was not built.
pub fn image_builder() -> Result<PathBuf> {
    built("image-builder/release/image")
}

/// Returns the folder of the compiled example drivers.
#[must_use]
pub fn drivers() -> PathBuf {
    target().join("drivers")
}

/// Returns the file in which `./run.sh` leaves the output of COM2.
#[must_use]
pub fn events() -> PathBuf {
    target().join("events.jsonl")
}

/// The bytes of a disk.
pub(crate) const DISK_BYTES: u64 = 64 << 20;

/// Returns the socket at which the machine of `./run.sh shell` takes drivers.
#[must_use]
pub fn push_socket() -> PathBuf {
    target().join("push.sock")
}

/// Returns a file of 64 MiB of zeros, which takes no room on the host. All machines share it, so nothing may write to it: QEMU's
/// `snapshot` sends writes to a file that ends with the machine.
///
/// # Errors
/// The file cannot be created.
pub fn empty_disk() -> Result<PathBuf> {
    let path = target().join("empty-disk.img");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    file.and_then(|file| file.set_len(DISK_BYTES))
        .with_context(|| format!("{} cannot be created", path.display()))?;
    Ok(path)
}

/// Returns the folder of what is built.
pub fn target() -> PathBuf {
    workspace().join("target")
}

fn built(path: &str) -> Result<PathBuf> {
    let path = target().join(path);
    if !path.is_file() {
        bail!("{} is missing: run ./run.sh image first", path.display());
    }
    Ok(path)
}
