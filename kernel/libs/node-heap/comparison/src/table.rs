//! The table: a column for each heap.
use std::fmt::Write;

use anyhow::Result;

use crate::fragmentation::{self, Ratios};
use crate::workloads::Workload;
use crate::{Peer, counts};

/// A heap's figures. A figure that was not measured is `None`.
pub struct Column {
    name: String,
    instructions: [Option<f64>; Workload::ALL.len()],
    ratios: Option<Ratios>,
}

impl Column {
    /// Measures a heap.
    pub fn measure(peer: &Peer, with_counts: bool, with_fragmentation: bool) -> Result<Self> {
        let mut instructions = [None; _];
        if with_counts {
            for (place, workload) in instructions.iter_mut().zip(Workload::ALL) {
                *place = Some(counts::count(peer, workload)?);
            }
        }
        let ratios = with_fragmentation.then(|| fragmentation::measure_apart(peer)).transpose()?;
        Ok(Self {
            name: format!("{} {}", peer.name, peer.version).trim_end().to_owned(),
            instructions,
            ratios,
        })
    }
}

/// Returns the figures side by side, in Markdown.
pub fn text(columns: &[Column]) -> String {
    let mut text = String::new();
    row(&mut text, "", columns.iter().map(|column| column.name.clone()));
    row(&mut text, "---", columns.iter().map(|_| "---".to_owned()));
    for (index, workload) in Workload::ALL.into_iter().enumerate() {
        let figures = columns.iter().map(|column| column.instructions[index]);
        row(&mut text, &format!("{}: instructions", workload.title()), figures.map(whole));
    }
    let ratio = |of: fn(Ratios) -> f64| {
        columns
            .iter()
            .map(move |column| column.ratios.map_or_else(String::new, |it| format!("{:.2}", of(it))))
    };
    row(&mut text, "pages touched in a churn, to bytes in use", ratio(|ratios| ratios.touched));
    row(&mut text, "pages pinned by a random tenth, to bytes in use", ratio(|ratios| ratios.pinned));
    text
}

fn row(text: &mut String, title: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    writeln!(text, "| {title} | {} |", cells.join(" | ")).expect("a string takes all text");
}

/// Formats a number with separated thousands.
fn whole(figure: Option<f64>) -> String {
    let Some(figure) = figure else { return String::new() };
    let digits = format!("{figure:.0}");
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_people_read_them() {
        assert_eq!([whole(Some(1_234_567.4)), whole(Some(12.0)), whole(None)], ["1,234,567", "12", ""]);
    }
}
