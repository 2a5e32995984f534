//! read_block_rust: reads the first block of the disk vblk0, and says how it begins.
#![no_std]
#![forbid(unsafe_code)]

use core::ffi::CStr;
use driver_kit::block::{self, Batch, Disk, Transfer};
use driver_kit::driver::Refusal;
use driver_kit::info;

driver_kit::driver! { init = start }

const DISK: &CStr = c"vblk0";
/// Room for the largest block that is read.
const BYTES: usize = 4096;
const LIMIT_NS: u64 = 10_000_000_000;

fn start() -> Result<(), Refusal> {
    let Some(disk) = Disk::open(DISK) else {
        info!("there is no disk {DISK:?}");
        return Err(Refusal(-1));
    };
    // One request with its memory, where the disk's device finds it.
    let mut request = Batch::new(disk, 1, BYTES, None).ok_or(Refusal(-2))?;
    request.prepare(0, Transfer::Read(0, 1), false);
    if request.submit(1) != 1 || !request.wait_for(LIMIT_NS) || request.status(0) != Some(block::OK) {
        return Err(Refusal(-2));
    }
    info!("the first block of vblk0 begins with {:016x}", request.word(0, 0).swap_bytes());
    Ok(())
}
