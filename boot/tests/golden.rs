//! The serial log of the two-node boot, word for word, so that a reviewer sees each change.
mod common;

use std::fs;

use boot::{Machine, Verdict, artifacts};
use common::boot;

/// The environment variable that makes the test write the golden log instead of comparing with it.
const BLESS: &str = "PROXIMA_BLESS";

#[test]
fn the_two_node_boot_says_what_it_said() {
    let run = boot(&Machine::two_nodes().parameters("selftest").protected(), Verdict::Success);
    let log: String = run.lines().map(|line| masked(line) + "\n").collect();
    let path = artifacts::workspace().join("boot/tests/golden/two-nodes.log");
    if std::env::var_os(BLESS).is_some() {
        fs::write(&path, &log).unwrap();
        return;
    }
    let golden = fs::read_to_string(&path).unwrap();
    for (number, (now, before)) in (1..).zip(log.lines().zip(golden.lines())) {
        assert_eq!(now, before, "line {number} of {}; set {BLESS}=1 to take the new one", path.display());
    }
    assert_eq!(
        log.lines().count(),
        golden.lines().count(),
        "lines; set {BLESS}=1 to take the new log\n{log}"
    );
}

/// Masks what changes with the kernel's own size: page counts, and addresses other than those of the machine's memory ranges.
/// Masks the host's clock rate, too.
fn masked(line: &str) -> String {
    if line.contains("[mem ") {
        return line.into();
    }
    if let Some((before, after)) = line.split_once(" MHz") {
        let start = before.rfind(' ').map_or(0, |space| space + 1);
        return format!("{}… MHz{after}", &before[..start]);
    }
    let counts_pages = line.ends_with(" pages free");
    let mask = |word: &str| {
        let bare = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let address = bare.strip_prefix("0x").is_some_and(|digits| u64::from_str_radix(digits, 16).is_ok());
        // Numbers of nodes have fewer digits.
        let count = counts_pages && bare.len() > 2 && bare.parse::<u64>().is_ok();
        if address || count { word.replacen(bare, "…", 1) } else { word.into() }
    };
    line.split_inclusive(' ').map(mask).collect()
}
