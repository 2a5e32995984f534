//! The soak `reloads`: the drivers of the disks are unloaded with requests outstanding and loaded again, and the disks are used each time.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use boot::{Machine, Verdict, artifacts, driver};

use crate::soak::boots::BOOT_LIMIT;
use crate::soak::together;

/// How often one copy of the driver `reloads` loads a driver again.
const OF_A_COPY: u64 = 10;
/// The copies of one boot. They stay loaded, and no more than 127 drivers are loaded at a time.
const MOST_COPIES: u64 = 100;

/// How long one copy may take, on a host that has other work.
const COPY_LIMIT: Duration = Duration::from_secs(20);

/// Loads drivers again so many times, rounded up to a whole number of copies.
///
/// # Errors
/// A disk does not serve again, a request is lost, or pages are.
pub fn soak(count: u64) -> Result<()> {
    let copies = count.div_ceil(OF_A_COPY);
    let (boots, begin) = (copies.div_ceil(MOST_COPIES), Instant::now());
    let done = AtomicU64::new(0);
    together::each(0..boots, |number| {
        let copies = MOST_COPIES.min(copies - number * MOST_COPIES);
        one_boot(copies, number)?;
        let done = done.fetch_add(copies * OF_A_COPY, Ordering::Relaxed) + copies * OF_A_COPY;
        println!("soak reloads: {done} reloads, {:.1} a second", done as f64 / begin.elapsed().as_secs_f64());
        Ok(())
    })?;
    println!("soak reloads: the disks served again after each of {count} reloads, and no page is lost");
    Ok(())
}

/// Boots the machine of this number with so many copies.
fn one_boot(copies: u64, number: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("reloads.img");
    let mut drivers = vec![("nvme", "nvme".into()), ("virtio_blk", "virtio_blk".into())];
    drivers.extend((1..=copies).map(|number| ("reloads", format!("reloads_{number}"))));
    driver::build_image_of(&artifacts::kernel()?, &[], &drivers, &image)?;
    let machine = together::with_clock(Machine::two_nodes(), number).image(&image);
    // On the counting clock the CPUs do not wait for the host's files.
    let machine = if together::is_concurrent(number) { machine } else { machine.disks_of_zeros() };
    let run = machine.run(BOOT_LIMIT + COPY_LIMIT * u32::try_from(copies)?)?;
    let is_loaded = |name: &str, status: &str| name.starts_with("reloads_") && status == "loaded";
    let ended = run.drivers().iter().filter(|driver| is_loaded(&driver.name, &driver.status)).count() as u64;
    if run.verdict != Verdict::Success || ended != copies {
        eprint!("{}{}", run.serial, run.complaints);
        run.verdict.judge()?;
        bail!("{ended} of {copies} copies have ended well");
    }
    Ok(())
}
