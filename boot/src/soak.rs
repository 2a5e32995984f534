//! The soaks: proofs that take long, each with the count of the whole and that of the sample which `./run.sh test` runs.
mod boots;
mod disks;
mod exports;
mod fail_allocation;
mod faults;
mod fuzz;
mod newer_qemu;
mod on_host;
mod reloads;
mod together;
mod wild_writes;

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::command::say;

/// A proof that takes long.
struct Soak {
    /// Its name on the command line.
    name: &'static str,
    /// How much the whole of it does.
    whole: u64,
    /// How much of it `./run.sh test` does.
    sample: u64,
    run: Run,
}

/// What runs a soak.
#[derive(Clone, Copy)]
enum Run {
    /// Does so much.
    Counted(fn(u64) -> Result<()>),
    /// Does so much, with random choices from a seed: the given one, or several.
    Seeded(fn(u64, Option<u64>) -> Result<()>),
}

impl Run {
    fn run(self, count: u64, seed: Option<u64>) -> Result<()> {
        match self {
            Self::Counted(run) => run(count),
            Self::Seeded(run) => run(count, seed),
        }
    }
}

/// The soaks, in the order in which they run. docs/testing.md says what each proves.
const SOAKS: [Soak; 21] = [
    Soak { name: "properties", whole: 100_000, sample: 1_000, run: Run::Counted(on_host::properties) },
    Soak { name: "machines", whole: 1_000_000, sample: 1_000, run: Run::Counted(on_host::machines) },
    Soak { name: "mutations", whole: 1_000_000_000, sample: 1_000_000, run: Run::Counted(fuzz::mutations) },
    Soak { name: "fuzz", whole: fuzz::WHOLE, sample: 200_000, run: Run::Counted(fuzz::targets) },
    Soak { name: "boots", whole: 200, sample: 5, run: Run::Counted(boots::boots) },
    Soak { name: "threads", whole: 50, sample: 1, run: Run::Counted(boots::threads) },
    Soak { name: "loom", whole: 3, sample: 1, run: Run::Counted(on_host::loom) },
    Soak { name: "pages-host", whole: 1_000_000_000, sample: 10_000_000, run: Run::Counted(on_host::pages) },
    Soak { name: "pages", whole: 100_000_000, sample: 300_000, run: Run::Counted(boots::pages) },
    Soak { name: "heap-host", whole: 1_000_000_000, sample: 10_000_000, run: Run::Counted(on_host::heap) },
    Soak { name: "heap", whole: 100_000_000, sample: 300_000, run: Run::Counted(boots::heap) },
    Soak { name: "disks", whole: 1_000_000, sample: 10_000, run: Run::Counted(disks::soak) },
    Soak { name: "reloads", whole: 22_000, sample: 10, run: Run::Counted(reloads::soak) },
    Soak { name: "wild-writes", whole: 10_000, sample: 20, run: Run::Seeded(wild_writes::soak) },
    Soak { name: "faults", whole: 100_000, sample: 24, run: Run::Seeded(faults::soak) },
    Soak { name: "exports", whole: 100_000_000, sample: 80_000, run: Run::Seeded(exports::soak) },
    Soak { name: "fail-allocation", whole: 100_000, sample: 8, run: Run::Counted(fail_allocation::soak) },
    Soak { name: "shapes", whole: 50, sample: 12, run: Run::Counted(boots::shapes) },
    Soak { name: "flips", whole: 64, sample: 8, run: Run::Counted(boots::flips) },
    Soak { name: "oracle", whole: 10, sample: 1, run: Run::Counted(boots::oracle) },
    Soak { name: "newer-qemu", whole: newer_qemu::WHOLE, sample: 1, run: Run::Counted(newer_qemu::soak) },
];

/// Runs all soaks, or the one of this name; the whole of it, or so much; with the choices that a seed makes.
///
/// # Errors
/// There is no soak of that name, or it makes no choices, or one of them fails.
pub fn soak(name: Option<&str>, count: Option<u64>, seed: Option<u64>) -> Result<()> {
    let chosen = chosen(name)?;
    let takes_a_seed = |soak: &&Soak| matches!(soak.run, Run::Seeded(_));
    ensure!(seed.is_none() || chosen.iter().all(takes_a_seed), "this soak takes no seed");
    build::images(&[])?;
    for soak in chosen {
        let count = count.unwrap_or(soak.whole);
        say(format_args!("Soak {}: {count} (a sample in `test`: {})", soak.name, soak.sample));
        soak.run.run(count, seed)?;
    }
    Ok(())
}

/// Returns the names of all soaks, in the order in which they run.
pub fn names() -> impl Iterator<Item = &'static str> {
    SOAKS.iter().map(|soak| soak.name)
}

/// Returns what a user types to run the sample of this soak.
pub fn sample_command(name: &str) -> String {
    let sample = SOAKS.iter().find(|soak| soak.name == name).map_or(0, |soak| soak.sample);
    format!("./run.sh soak {name} {sample}")
}

/// Runs the sample of a soak. The images are built.
///
/// # Errors
/// There is no soak of that name, or it fails.
pub fn sample(name: &str) -> Result<()> {
    for soak in chosen(Some(name))? {
        say(format_args!("Sample of soak {}: {} of {}", soak.name, soak.sample, soak.whole));
        soak.run.run(soak.sample, None)?;
    }
    Ok(())
}

/// Returns the soaks that a name stands for: all, when there is none.
fn chosen(name: Option<&str>) -> Result<Vec<&'static Soak>> {
    let Some(name) = name else { return Ok(SOAKS.iter().collect()) };
    let soak = SOAKS
        .iter()
        .find(|soak| soak.name == name)
        .with_context(|| format!("no soak {name}; there are: {}", names().collect::<Vec<_>>().join(" ")))?;
    Ok(vec![soak])
}

#[cfg(test)]
mod tests {
    use super::*;
    use boot::artifacts;
    use std::fs;

    #[test]
    fn a_name_chooses_its_soak_and_none_all() {
        let names_of =
            |name| chosen(name).map(|soaks| soaks.iter().map(|soak| soak.name).collect::<Vec<_>>());
        assert_eq!(names_of(Some("loom")).unwrap(), ["loom"]);
        assert_eq!(names_of(None).unwrap(), names().collect::<Vec<_>>());
        assert!(
            names_of(Some("lom")).unwrap_err().to_string().starts_with("no soak lom; there are: properties ")
        );
    }

    #[test]
    fn a_sample_is_less_than_the_whole() {
        assert!(SOAKS.iter().all(|soak| 0 < soak.sample && soak.sample < soak.whole));
    }

    #[test]
    fn the_usage_and_the_document_name_every_soak() {
        let read = |path: &str| fs::read_to_string(artifacts::workspace().join(path)).unwrap();
        let usage = read("run.sh");
        let (_, usage) = usage.split_once("or one of them: ").unwrap();
        let listed: Vec<_> = usage
            .split("\n\n")
            .next()
            .unwrap()
            .split([',', ' ', '\n'])
            .filter(|word| !word.is_empty())
            .collect();
        assert_eq!(listed, names().collect::<Vec<_>>(), "run.sh --help");
        let document = read("docs/testing.md");
        let (_, table) = document.split_once("| soak | proves |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let documented: Vec<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
        assert_eq!(documented, names().collect::<Vec<_>>(), "docs/testing.md");
    }
}
