//! Soaks that need no machine: properties on random cases, loom models, threads of the host.
use anyhow::Result;

use crate::command::{cargo, run};

/// A package with loom models in `tests/loom.rs`.
struct Models {
    package: &'static str,
    /// Parts of the names of models that have too many interleavings to try them all.
    bounded: &'static [&'static str],
}

/// Every package that has loom models.
const MODELS: [Models; 13] = [
    Models { package: "address-wait", bounded: &[] },
    Models { package: "thread-end", bounded: &[] },
    Models { package: "block-slots", bounded: &["three_cpus"] },
    Models { package: "cpu-requests", bounded: &["three_cpus"] },
    Models { package: "device-interrupts", bounded: &[] },
    Models { package: "last-words", bounded: &[] },
    Models { package: "line-ring", bounded: &[] },
    Models { package: "node-heap", bounded: &[] },
    Models { package: "page-alloc", bounded: &["three_cpus", "over_two_words"] },
    Models { package: "run-queue", bounded: &[] },
    Models { package: "stack-reserves", bounded: &[] },
    Models { package: "ticket-lock", bounded: &[] },
    Models { package: "timer-heap", bounded: &[] },
];

/// The count from which on models run in every interleaving. Two CPUs have no more preemptions that matter.
const UNBOUNDED_FROM: u64 = 3;

/// Tests each property of the host tests on so many cases, and the drivers in so many orders of their handlers and threads.
pub fn properties(count: u64) -> Result<()> {
    let mut test = cargo(&["test", "--quiet", "--release"]);
    test.env("PROPTEST_CASES", count.to_string()).env("PROXIMA_MOCK_SEEDS", count.to_string());
    run(&mut test)?;
    println!("soak properties: {count} cases of each property");
    Ok(())
}

/// Tests the properties of the topology on so many machines.
pub fn machines(count: u64) -> Result<()> {
    let mut test = cargo(&["test", "--quiet", "--release", "--package", "topology", "--lib", "properties"]);
    run(test.env("PROPTEST_CASES", count.to_string()))?;
    println!("soak machines: {count} cases of each property");
    Ok(())
}

/// Runs the loom models in every interleaving with no more than so many preemptions. From 3 on, the models run in every
/// interleaving, and only those that have too many are bounded.
pub fn loom(preemptions: u64) -> Result<()> {
    for models in &MODELS {
        for (words, bound) in calls(models, preemptions) {
            let mut test = cargo(&["test", "--quiet", "--release", "--target-dir", "target/loom"]);
            test.args(["--package", models.package, "--test", "loom", "--"]).args(words);
            test.env("RUSTFLAGS", "--cfg loom");
            if let Some(bound) = bound {
                test.env("LOOM_MAX_PREEMPTIONS", bound.to_string());
            }
            run(&mut test)?;
        }
    }
    println!("soak loom: up to {preemptions} preemptions");
    Ok(())
}

/// Returns the calls of a package's models: the words that choose among them, and the bound.
fn calls(models: &Models, preemptions: u64) -> Vec<(Vec<&'static str>, Option<u64>)> {
    if preemptions < UNBOUNDED_FROM {
        return vec![(vec![], Some(preemptions))];
    }
    let skipped = models.bounded.iter().flat_map(|name| ["--skip", name]).collect();
    let mut calls = vec![(skipped, None)];
    if !models.bounded.is_empty() {
        calls.push((models.bounded.to_vec(), Some(preemptions)));
    }
    calls
}

/// Does so many operations on the page allocator, with two threads of the host.
pub fn pages(count: u64) -> Result<()> {
    let mut soak = cargo(&["run", "--quiet", "--release", "--package", "page-alloc", "--example", "soak"]);
    run(soak.arg(count.to_string()))
}

/// Does so many operations on the heap, with two threads of the host.
pub fn heap(count: u64) -> Result<()> {
    let mut soak = cargo(&["run", "--quiet", "--release", "--package", "node-heap", "--example", "soak"]);
    run(soak.arg(count.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use boot::artifacts;
    use std::fs;

    #[test]
    fn every_package_with_loom_models_is_listed() {
        let libs = artifacts::workspace().join("kernel/libs");
        let folders = fs::read_dir(libs).unwrap().map(|entry| entry.unwrap().path());
        let mut packages: Vec<_> = folders
            .filter(|folder| folder.join("tests/loom.rs").is_file())
            .map(|folder| folder.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        packages.sort();
        let mut listed: Vec<_> = MODELS.iter().map(|models| models.package).collect();
        listed.sort_unstable();
        assert_eq!(listed, packages);
    }

    #[test]
    fn a_small_count_bounds_all_models_and_a_large_one_only_the_long_ones() {
        let models = Models { package: "a", bounded: &["long"] };
        assert_eq!(calls(&models, 1), [(vec![], Some(1))]);
        assert_eq!(calls(&models, 3), [(vec!["--skip", "long"], None), (vec!["long"], Some(3))]);
        assert_eq!(calls(&Models { package: "a", bounded: &[] }, 3), [(vec![], None)]);
    }
}
