//! Bochs, an emulator that shares nothing with QEMU: its CPU models pass the self-tests, with different video firmware.
mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use boot::artifacts;
use boot::process::attached;
use serde_json::Value;

/// How long a boot may take.
const LIMIT: Duration = Duration::from_secs(180);

/// A CPU model, and what the machine has for a screen.
struct Case {
    model: &'static str,
    /// What the machine says of its video card.
    card: &'static str,
    /// The file of the video firmware.
    firmware: &'static str,
}

const CASES: [Case; 4] = [
    // No SMEP, no invariant time stamp counter. Video firmware without VBE.
    Case {
        model: "p4_prescott_celeron_336",
        card: "vga: extension=none",
        firmware: "vgabios/vgabios.stdvga.bin",
    },
    Case {
        model: "phenom_8650_toliman",
        card: "vga: extension=vbe\npci: enabled=1, chipset=i440fx, slot1=pcivga",
        firmware: "vgabios/vgabios.stdvga.bin",
    },
    Case {
        model: "corei7_sandy_bridge_2600k",
        card: "vga: extension=cirrus\npci: enabled=1, chipset=i440fx, slot1=cirrus",
        firmware: "vgabios/vgabios.cirrus.bin",
    },
    // CPUID gives a clock rate that is not the emulator's. A list of modes, none of which the card has.
    Case { model: "arrow_lake", card: "vga: extension=vbe", firmware: "seabios/vgabios-stdvga.bin" },
];

#[test]
#[ignore = "a soak: ./run.sh soak newer-qemu"]
fn every_cpu_model_passes_the_self_tests() {
    common::many::each("bochs", &CASES, |case| case.model, assert_passes);
}

fn assert_passes(case: &Case) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    build_image(&folder.join("disk.img"));
    fs::write(folder.join("bochsrc"), configuration(case)).unwrap();
    let mut bochs = attached("bochs");
    bochs.args(["-q", "-f", "bochsrc"]).current_dir(folder).env("SDL_VIDEODRIVER", "dummy");
    bochs.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let bochs = Guard(bochs.spawn().unwrap());
    let events = events_to_exit(bochs, &folder.join("com2"));

    let log = fs::read_to_string(folder.join("com1")).unwrap_or_default();
    let exit = events.last().unwrap_or_else(|| panic!("the kernel has not started\n{log}"));
    assert_eq!((&exit["event"], &exit["ok"]), (&"exit".into(), &true.into()), "{}\n{log}", case.model);
    let tests: Vec<_> = events.iter().filter(|event| event["event"] == "test").collect();
    assert!(!tests.is_empty() && tests.iter().all(|test| test["ok"] == true), "{}\n{log}", case.model);
}

/// Builds an image with the example drivers, whose ramdisk has the kernel's parameters: Bochs has no fw_cfg.
fn build_image(path: &Path) {
    let mut drivers: Vec<_> =
        fs::read_dir(artifacts::drivers()).unwrap().map(|entry| entry.unwrap().path()).collect();
    drivers.sort();
    let mut builder = Command::new(artifacts::image_builder().unwrap());
    builder.arg("--kernel").arg(artifacts::kernel().unwrap()).arg("--bios").arg(path);
    builder.args(["--cmdline", "selftest exit"]).arg("--drivers").args(drivers);
    assert!(builder.status().unwrap().success());
}

/// Returns the configuration file: one CPU, as Debian's Bochs has no more, 256 MiB, and both serial ports in files.
fn configuration(case: &Case) -> String {
    format!(
        "display_library: sdl2\n\
         cpu: model={}, count=1, ips=50000000, reset_on_triple_fault=0\n\
         megs: 256\n\
         romimage: file=/usr/share/bochs/BIOS-bochs-latest\n\
         vgaromimage: file=/usr/share/{}\n\
         {}\n\
         ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14\n\
         ata0-master: type=disk, path=disk.img, mode=volatile\n\
         boot: disk\n\
         com1: enabled=1, mode=file, dev=com1\n\
         com2: enabled=1, mode=file, dev=com2\n\
         log: log\n\
         panic: action=fatal\n\
         clock: sync=none, time0=utc\n",
        case.model, case.firmware, case.card
    )
}

/// A process that ends when this is dropped.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Both calls fail if the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for the event `exit` in COM2's file, after which Bochs goes on: it has no device that ends it. Returns all events.
fn events_to_exit(mut bochs: Guard, file: &Path) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let has_ended = bochs.0.try_wait().unwrap().is_some();
        let text = fs::read_to_string(file).unwrap_or_default();
        let events: Vec<Value> = text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
        let is_complete = events.last().is_some_and(|event| event["event"] == "exit");
        if is_complete || has_ended || start.elapsed() > LIMIT {
            return events;
        }
        thread::sleep(Duration::from_millis(200));
    }
}
