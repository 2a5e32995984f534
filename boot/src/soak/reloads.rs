//! The soak `reloads`: the drivers of the disks are unloaded with requests outstanding and loaded again, and the disks are used each time.
use std::time::Duration;

use anyhow::{Result, bail};
use boot::{Machine, Verdict, artifacts, driver};

use crate::soak::boots::BOOT_LIMIT;

/// How often one copy of the driver `reloads` loads a driver again.
const OF_A_COPY: u64 = 10;
/// The copies of one boot.
const MOST_COPIES: u64 = 200;

/// How long one copy may take, on a host that has other work.
const COPY_LIMIT: Duration = Duration::from_secs(20);

/// Loads drivers again so many times, rounded up to a whole number of copies.
///
/// # Errors
/// A disk does not serve again, a request is lost, or pages are.
pub fn soak(count: u64) -> Result<()> {
    let mut left = count.div_ceil(OF_A_COPY);
    while left > 0 {
        let copies = left.min(MOST_COPIES);
        one_boot(copies)?;
        left -= copies;
    }
    println!("soak reloads: the disks served again after each of {count} reloads, and no page is lost");
    Ok(())
}

fn one_boot(copies: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("reloads.img");
    let mut drivers = vec![("nvme", "nvme".into()), ("virtio_blk", "virtio_blk".into())];
    drivers.extend((1..=copies).map(|number| ("reloads", format!("reloads_{number}"))));
    driver::build_image_of(&artifacts::kernel()?, &[], &drivers, &image)?;
    let run = Machine::two_nodes().image(&image).run(BOOT_LIMIT + COPY_LIMIT * u32::try_from(copies)?)?;
    let is_loaded = |name: &str, status: &str| name.starts_with("reloads_") && status == "loaded";
    let ended = run.drivers().iter().filter(|driver| is_loaded(&driver.name, &driver.status)).count() as u64;
    if run.verdict != Verdict::Success || ended != copies {
        eprint!("{}{}", run.serial, run.complaints);
        run.verdict.judge()?;
        bail!("{ended} of {copies} copies have ended well");
    }
    Ok(())
}
