//! The verb `bench`: measures, and shows a table with what Linux needs for the same beside it.
use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use boot::event::Bench;
use boot::{Firmware, Machine, Run, Verdict, driver};

/// How long all benchmarks of a machine together may take. The counting clock is far slower than a plain boot.
const LIMIT: Duration = Duration::from_secs(1800);

/// How long the disks take to answer whose requests are measured.
const DISK_LATENCY_NS: u64 = 100_000;

/// Instructions that Linux 6.1 needs for one operation in the same two-node guest, with mitigations and zeroing off. Its boot
/// ends at a running init, on one CPU.
const LINUX: [(&str, f64); 28] = [
    ("page.pair.order0.local", 591.0),
    ("page.pair.order0.remote", 591.0),
    ("page.batch8192.alloc", 548.0),
    ("page.batch8192.free", 557.0),
    ("page.pair.order3", 774.0),
    ("page.pair.order9", 18_660.0),
    ("heap.pair.64", 248.0),
    ("thread.switch.yield", 1_332.0),
    ("thread.switch.wake", 3_417.0),
    ("irq.msix.entry", 214.0),
    ("irq.msix.whole", 460.0),
    ("irq.allocate_attach", 20_000.0),
    ("block.nvme.read.polled.qd1", 3_011.0),
    ("block.nvme.read.polled.qd32", 2_718.0),
    ("block.nvme.read.sleep.qd1", 8_030.0),
    ("block.virtio.read.polled.qd1", 4_326.0),
    ("block.virtio.read.polled.qd32", 3_665.0),
    ("block.virtio.read.sleep.qd1", 9_303.0),
    ("dma.pair.4096", 1_206.0),
    ("sync.spin.pair", 30.0),
    ("sync.mutex.pair", 25.0),
    ("sync.wake.empty", 119.0),
    ("timer.set_cancel", 366.0),
    ("time.get", 43.0),
    ("driver.load", 209_466.0),
    ("driver.unload", 91_612.0),
    ("boot.kernel", 1.6e9),
    ("pci.scan", 3_062_571.0),
];

/// The disk images that are booted.
pub struct Images {
    /// With drivers that use no device.
    pub kernel: PathBuf,
    /// With those that serve disks, too.
    pub with_disks: PathBuf,
}

/// Boots the two-node machine on a clock that counts instructions, then two machines with more memory, and prints what they
/// measured. With arguments for QEMU, which may make it any machine, it boots the first alone.
///
/// # Errors
/// A machine cannot be booted, or does not report success.
pub fn measure(images: &Images, firmware: Firmware, qemu: Vec<OsString>) -> Result<()> {
    let is_one_size = !qemu.is_empty();
    let mut measured = measure_one(Machine::two_nodes().image(&images.kernel).arguments(qemu), firmware)?;
    if !is_one_size {
        let with_disks = measure_one(Machine::two_nodes().image(&images.with_disks), firmware)?;
        measured.extend(with_disks.into_iter().filter_map(of_machine_with_disks));
        let callers: &[&str] = &["nothing", "measures"];
        measured.extend(measure_with_drivers(callers, Machine::two_nodes(), Protection::Off)?);
        // A disk that answers at once would interrupt before the submitter sleeps.
        let with_disks = Machine::two_nodes().disks_without_content(DISK_LATENCY_NS);
        let disks = ["nvme", "virtio_blk", "disk_bench"];
        measured.extend(measure_with_drivers(&disks, with_disks.clone(), Protection::Off)?);
        // What the driver in Rust does, in C.
        measured.extend(measure_with_drivers(
            &["nvme_c", "disk_bench"],
            with_disks.clone(),
            Protection::Off,
        )?);
        let crossed = measure_with_drivers(callers, Machine::two_nodes(), Protection::On)?;
        measured.extend(cost_of_export("crossing.call", &measured, &crossed));
        let without_keys = Machine::two_nodes().cpu_with("-pks");
        let direct = measure_with_drivers(callers, without_keys, Protection::On)?;
        measured.extend(cost_of_export("crossing.call.off", &measured, &direct));
        measured.extend(crossed.into_iter().filter_map(of_protected));
        let crossed = measure_with_drivers(&disks, with_disks, Protection::On)?;
        measured.extend(crossed.into_iter().filter_map(of_protected));
        for (size, node_mib) in [("16GiB", 8 << 10), ("1TiB", 512 << 10)] {
            let larger = measure_one(Machine::two_nodes_of(node_mib).image(&images.kernel), firmware)?;
            measured.extend(larger.into_iter().filter_map(|bench| of_larger_machine(bench, size)));
        }
    }
    if measured.is_empty() {
        println!("The kernel measured nothing.");
    } else {
        print!("{}", table(&measured));
    }
    Ok(())
}

fn measure_one(machine: Machine, firmware: Firmware) -> Result<Vec<Bench>> {
    Ok(run(machine.firmware(firmware).parameters("bench"))?.events_of("bench"))
}

/// Returns what these drivers have measured, as they are compiled for all: of `ddk/tests/measures` what drivers call, and of
/// `ddk/tests/disk_bench` what requests to disks cost.
fn measure_with_drivers(names: &[&str], machine: Machine, protection: Protection) -> Result<Vec<Bench>> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("disk.img");
    driver::build_test_image(names, &image)?;
    let words = match protection {
        Protection::On => "protection=on",
        Protection::Off => "protection=off",
    };
    let run = run(machine.image(image).parameters(words))?;
    Ok(run.lines().filter_map(of_line).collect())
}

/// Whether protection keys are on while something is measured.
#[derive(Clone, Copy)]
enum Protection {
    On,
    Off,
}

/// Returns a measurement with protection keys if it shows what they cost, with another name than the one without.
fn of_protected(bench: Bench) -> Option<Bench> {
    let shows = [
        "page.driver.pair",
        "block.nvme.read.polled.qd1",
        "block.nvme.read.polled.qd32",
        "driver.load",
        "driver.unload",
    ];
    shows.contains(&bench.name.as_str()).then(|| Bench { name: format!("{}.protected", bench.name), ..bench })
}

/// Returns what the gate of an export costs, both ways together: the difference that it makes to a cheap one.
fn cost_of_export(name: &str, without: &[Bench], with: &[Bench]) -> Option<Bench> {
    let of = |benches: &[Bench]| {
        let bench = benches.iter().find(|bench| bench.name == "time.get")?;
        Some((bench.ticks, bench.ops))
    };
    let ((before, ops), (ticks, _)) = (of(without)?, of(with)?);
    Some(Bench { name: name.into(), ticks: ticks.checked_sub(before)?, ops })
}

/// Returns a measurement of the machine whose disks are served if it shows what that adds to the boot.
fn of_machine_with_disks(bench: Bench) -> Option<Bench> {
    matches!(bench.name.as_str(), "boot.kernel" | "boot.kernel.drivers")
        .then(|| Bench { name: format!("{}.with_disks", bench.name), ..bench })
}

/// Returns the measurement in a line of a driver, `… measures: bench NAME TICKS OPS`.
fn of_line(line: &str) -> Option<Bench> {
    let mut words = line.split_once(": bench ")?.1.split_whitespace();
    let name = words.next()?.to_owned();
    Some(Bench { name, ticks: words.next()?.parse().ok()?, ops: words.next()?.parse().ok()? })
}

fn run(machine: Machine) -> Result<Run> {
    let run = machine.counting(0).run(LIMIT)?;
    if run.verdict != Verdict::Success {
        eprint!("{}{}", run.serial, run.complaints);
    }
    run.verdict.judge()?;
    Ok(run)
}

/// Returns a measurement of a larger machine if it shows how costs grow with memory. A name without a size gets one.
fn of_larger_machine(bench: Bench, size: &str) -> Option<Bench> {
    match bench.name.as_str() {
        name if name.starts_with("page.init.") => Some(bench),
        name @ ("boot.kernel" | "page.exhausted.strict") => {
            Some(Bench { name: format!("{name}.{size}"), ..bench })
        }
        _ => None,
    }
}

/// The heading of the column of names.
const HEADING: &str = "instructions for one";

/// Returns a line for each measurement: the instructions for one operation, those that Linux needs, and their ratio.
fn table(measured: &[Bench]) -> String {
    let widest = measured.iter().map(|bench| bench.name.len()).max().unwrap_or(0).max(HEADING.len());
    let mut table = String::new();
    let mut line = |name: &str, own: &str, linux: &str, times: &str| {
        writeln!(table, "{name:widest$}  {own:>14}  {linux:>14}  {times:>8}")
            .expect("writing to a String cannot fail");
    };
    line(HEADING, "Proxima", "Linux 6.1", "ratio");
    for bench in measured {
        let own = bench.ticks as f64 / bench.ops.max(1) as f64;
        let known = LINUX.iter().find(|(name, _)| *name == bench.name);
        let (linux, times) = match known {
            Some((_, linux)) if own > 0.0 => (number(*linux), format!("{:.1}", linux / own)),
            Some((_, linux)) => (number(*linux), String::new()),
            None => ("-".into(), String::new()),
        };
        line(&bench.name, &number(own), &linux, &times);
    }
    table
}

/// Returns a number with its thousands apart, or, below 100, with one decimal.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_larger_machine_stays_what_grows_with_memory() {
        let name = |name: &str| {
            let bench = of_larger_machine(Bench { name: name.into(), ticks: 1, ops: 1 }, "16GiB");
            bench.map(|bench| bench.name)
        };
        assert_eq!(name("boot.kernel").as_deref(), Some("boot.kernel.16GiB"));
        assert_eq!(name("page.init.16GiB.per_gib").as_deref(), Some("page.init.16GiB.per_gib"));
        assert_eq!(name("boot.kernel.memory"), None);
    }

    #[test]
    fn of_a_machine_with_disks_stays_the_boot() {
        let name = |name: &str| {
            of_machine_with_disks(Bench { name: name.into(), ticks: 1, ops: 1 }).map(|bench| bench.name)
        };
        assert_eq!(name("boot.kernel").as_deref(), Some("boot.kernel.with_disks"));
        assert_eq!(name("heap.pair.64"), None);
    }

    #[test]
    fn a_line_of_the_driver_that_measures_is_read() {
        let bench = of_line("INFO  measures: bench time.get 12000 1000").unwrap();
        assert_eq!((bench.name.as_str(), bench.ticks, bench.ops), ("time.get", 12_000, 1000));
        assert!(of_line("INFO  drivers: measures loaded").is_none());
    }

    #[test]
    fn a_known_measurement_stands_beside_linux_and_another_alone() {
        let bench = |name: &str, ticks, ops| Bench { name: name.into(), ticks, ops };
        let table = table(&[bench("boot.kernel", 8_000_000, 1), bench("irq.tick", 614, 10)]);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["boot.kernel", "8,000,000", "1,600,000,000", "200.0"]);
        assert_eq!(lines[2], ["irq.tick", "61.4", "-"]);
    }
}
