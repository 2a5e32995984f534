//! The table: a column for each crate, and one for figures from elsewhere.
use std::fmt::{Result as Written, Write};

use anyhow::Result;

use crate::churn::{self, Recovered};
use crate::frame_allocator::{Abilities, Crate};
use crate::metadata::{self, Metadata};
use crate::threads::{self, Work};
use crate::workloads::Workload;
use crate::{counts, times};

/// The figures to measure.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Measure {
    /// Figures that the load of other programs does not change.
    pub counts: bool,
    /// The times of the workloads.
    pub times: bool,
    /// The throughput of two threads against one.
    pub threads: bool,
}

/// A crate's figures. A figure that was not measured is `None`.
pub struct Column {
    name: String,
    instructions: [Option<f64>; Workload::ALL.len()],
    nanoseconds: [Option<f64>; Workload::ALL.len()],
    /// Two threads against one: on the hot pair, and on batches.
    threads: [Option<f64>; 2],
    recovered: Option<Recovered>,
    metadata: Option<Metadata>,
    abilities: Abilities,
}

/// The instructions of LLFree for a workload, counted on another day with the same workload. The harness does not run LLFree.
fn llfree_instructions(workload: Workload) -> Option<f64> {
    match workload {
        Workload::HotPair => Some(461.0),
        Workload::Batch => Some(233.0),
        Workload::HugePair => Some(344.0),
        _ => None,
    }
}

/// The metadata of LLFree, in bytes a frame.
const LLFREE_METADATA: f64 = 0.158;

impl Column {
    /// Measures a crate.
    pub fn measure<C: Crate>(measure: Measure) -> Result<Self> {
        let mut column = Self {
            name: format!("{} {}", C::NAME, C::VERSION),
            instructions: [None; _],
            nanoseconds: [None; _],
            threads: [None; _],
            recovered: None,
            metadata: None,
            abilities: C::ABILITIES,
        };
        if measure.counts {
            column.metadata = Some(metadata::metadata::<C>());
            column.recovered = Some(churn::recovered::<C>());
            let available = counts::available();
            for (place, workload) in column.instructions.iter_mut().zip(Workload::ALL) {
                *place = available.then(|| counts::count::<C>(workload)).transpose()?;
            }
        }
        if measure.times {
            let mut criterion = times::criterion();
            for (place, workload) in column.nanoseconds.iter_mut().zip(Workload::ALL) {
                *place = Some(times::median::<C>(&mut criterion, workload)?);
            }
        }
        if measure.threads {
            column.threads =
                [Work::HotPair, Work::Batch].map(|work| Some(threads::two_against_one::<C>(work)));
        }
        Ok(column)
    }
}

/// Writes the figures side by side, in Markdown.
pub fn write(out: &mut impl Write, columns: &[Column]) -> Written {
    let mut heads: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
    heads.push("LLFree".to_owned());
    row(out, "", heads)?;
    row(out, "---", vec!["---".to_owned(); columns.len() + 1])?;
    for (index, workload) in Workload::ALL.into_iter().enumerate() {
        let llfree = llfree_instructions(workload);
        let figures = columns.iter().map(|column| column.instructions[index]).chain([llfree]);
        row(out, &format!("{}: instructions", workload.title()), figures.map(number))?;
    }
    for (index, workload) in Workload::ALL.into_iter().enumerate() {
        let figures = columns.iter().map(|column| column.nanoseconds[index]).chain([None]);
        row(out, &format!("{}: time", workload.title()), figures.map(time))?;
    }
    for (index, title) in ["hot pair", "batches of 512"].into_iter().enumerate() {
        let figures = columns.iter().map(|column| column.threads[index]).chain([None]);
        let figures = figures.map(|ratio| shown(ratio, |ratio| format!("{ratio:.2}")));
        row(out, &format!("two threads against one, {title}"), figures)?;
    }
    let recovered = columns.iter().map(|column| column.recovered).chain([None]);
    let recovered =
        recovered.map(|found| shown(found, |found| format!("{} of {}", found.recovered, found.whole)));
    row(out, "2 MiB blocks recovered, of those that are whole", recovered)?;
    for (title, llfree, of) in [
        ("all free", Some(LLFREE_METADATA), (|metadata| metadata.fresh) as fn(Metadata) -> f64),
        ("every second frame free", Some(LLFREE_METADATA), |metadata| metadata.scattered),
    ] {
        let figures = columns.iter().map(|column| column.metadata.map(of)).chain([llfree]);
        let figures = figures.map(|bytes| shown(bytes, |bytes| format!("{bytes:.3}")));
        row(out, &format!("metadata, bytes a frame, {title}"), figures)?;
    }
    for (title, of) in [
        ("refuses wrong frees", (|abilities| abilities.refuses) as fn(&Abilities) -> &'static str),
        ("keeps nodes apart", |abilities| abilities.nodes),
        ("runs of frames", |abilities| abilities.runs),
        ("highest address", |abilities| abilities.highest_address),
        ("several CPUs", |abilities| abilities.threads),
        ("metadata lies in", |abilities| abilities.metadata),
    ] {
        row(
            out,
            title,
            columns.iter().map(|column| of(&column.abilities).to_owned()).chain([String::new()]),
        )?;
    }
    Ok(())
}

fn row(out: &mut impl Write, title: &str, cells: impl IntoIterator<Item = String>) -> Written {
    write!(out, "| {title} |")?;
    cells.into_iter().try_for_each(|cell| write!(out, " {cell} |"))?;
    writeln!(out)
}

fn shown<T>(figure: Option<T>, text: impl FnOnce(T) -> String) -> String {
    figure.map_or_else(String::new, text)
}

/// Formats a number with separated thousands.
fn number(figure: Option<f64>) -> String {
    shown(figure, |figure| {
        let digits = format!("{figure:.0}");
        let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
        groups.join(",")
    })
}

fn time(nanoseconds: Option<f64>) -> String {
    shown(nanoseconds, |time| match time {
        ..1e3 => format!("{time:.1} ns"),
        ..1e6 => format!("{:.1} µs", time / 1e3),
        _ => format!("{:.1} ms", time / 1e6),
    })
}

/// Returns the processor's name and the number of CPUs.
pub fn processor() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut names = cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = names.next().map_or("an unknown processor", |(_, name)| name);
    format!("{name}, {} CPUs", names.count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_people_read_them() {
        assert_eq!([number(Some(1_234_567.4)), number(Some(12.0)), number(None)], ["1,234,567", "12", ""]);
        assert_eq!(
            [time(Some(9.96)), time(Some(1200.0)), time(Some(2.5e6))],
            ["10.0 ns", "1.2 µs", "2.5 ms"]
        );
    }
}
