//! The plugin of QEMU that finds the longest stretches of instructions with interrupts or preemption off.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use boot::artifacts;

use crate::symbols::Kernel;

/// The shortest stretch that is reported, in instructions.
const SHORTEST: u64 = 100;

/// What was off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Off {
    Interrupts,
    Preemption,
}

/// The longest of the stretches that begin and end at the same places.
pub struct Stretch {
    pub off: Off,
    /// In instructions of the CPU.
    pub length: u64,
    /// The address of the instruction with which it begins.
    pub from: u64,
    /// The address of the instruction with which it ends.
    pub to: u64,
}

/// The compiled plugin, or why there is none.
pub fn build(folder: &Path) -> Result<PathBuf, String> {
    let source = artifacts::workspace().join("../shared/tools/longest-stretch.c");
    if !source.is_file() {
        return Err("there is no ../shared/tools/longest-stretch.c".into());
    }
    let help = Command::new("qemu-system-x86_64").arg("-help").output().map_err(|error| error.to_string())?;
    if !String::from_utf8_lossy(&help.stdout).contains("-plugin") {
        return Err("this QEMU was built without plugins".into());
    }
    let plugin = folder.join("longest-stretch.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-w", "-o"]).arg(&plugin).arg(&source).arg("-lpthread");
    match compiler.status() {
        Ok(status) => {
            assert!(status.success(), "{} does not compile", source.display());
            Ok(plugin)
        }
        Err(error) => Err(format!("cc: {error}")),
    }
}

/// Returns QEMU's arguments for a run that is measured from the function `begin` on.
pub fn arguments(plugin: &Path, kernel: &Kernel, begin: u64, folder: &Path) -> [String; 2] {
    let entries: Vec<_> = kernel.interrupt_entries().iter().map(|address| format!("{address:x}\n")).collect();
    fs::write(folder.join("entries"), entries.concat()).unwrap();
    let count = kernel.preemption_count();
    let options = [
        plugin.display().to_string(),
        format!("out={}", folder.join("stretches").display()),
        format!("entry={}", folder.join("entries").display()),
        format!("phase={begin:x}:1"),
        format!("gs={count:x}"),
        format!("min={SHORTEST}"),
    ];
    ["-plugin".into(), options.join(",")]
}

/// Returns what the plugin has written about a run, except for the stretch that it lets begin where the measurement begins.
pub fn stretches(folder: &Path, begin: u64) -> Vec<Stretch> {
    let lines = fs::read_to_string(folder.join("stretches")).unwrap();
    let stretches = lines.lines().filter(|line| line.starts_with("B ")).filter_map(|line| {
        // B I 1 cpu 0 len 1200 times 7 from ffffffff80012345 to ffffffff80012378
        let words: Vec<_> = line.split_whitespace().collect();
        let address = |at: usize| u64::from_str_radix(words[at], 16).unwrap();
        let off = match words[1] {
            "I" => Off::Interrupts,
            "P" => Off::Preemption,
            _ => return None,
        };
        Some(Stretch { off, length: words[6].parse().unwrap(), from: address(10), to: address(12) })
    });
    stretches.filter(|stretch| stretch.from != begin).collect()
}
