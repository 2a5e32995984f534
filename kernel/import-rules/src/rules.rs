//! The rules as `docs/architecture.md` writes them down.
use std::fs;
use std::path::Path;

use crate::DOCUMENT;
use crate::violation::Violation;

/// One row: a folder or crate, and what it may import.
#[derive(PartialEq, Eq, Debug)]
pub struct Row {
    /// Where the row is in the document, counted from 1.
    pub line: usize,
    /// The folder or crate.
    pub name: String,
    /// What it may import.
    pub allowed: Vec<String>,
    /// Whether it is a crate that forbids unsafe code.
    pub forbids_unsafe: bool,
}

/// The rules of the document.
#[derive(Default, Debug)]
pub struct Rules {
    /// The block ` ```imports `: the folders of `kernel/src`, lowest first.
    pub rows: Vec<Row>,
    /// The table that begins with `| crate |`.
    pub crates: Vec<Row>,
}

impl Rules {
    /// Reads the document of the repository at `root`, and returns what is wrong in the rules themselves beside them.
    pub fn read(root: &Path) -> (Self, Vec<Violation>) {
        let path = root.join(DOCUMENT);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let rules = Self { rows: block(&text), crates: table(&text) };
        let mut wrong = Vec::new();
        for (rows, what) in [(&rules.rows, "block ```imports"), (&rules.crates, "table | crate |")] {
            if rows.is_empty() {
                wrong.push(rules.violation(1, format!("there is no {what}")));
            }
            wrong.extend(rows_that_look_up(rows));
        }
        (rules, wrong)
    }

    /// Returns the row of a folder of `kernel/src`.
    pub fn row(&self, folder: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == folder)
    }

    /// Makes a violation of a line of the document.
    pub fn violation(&self, line: usize, what: impl Into<String>) -> Violation {
        Violation::new(DOCUMENT, line, what)
    }
}

/// Returns a violation for each row that stands twice or that names what no row above it describes.
fn rows_that_look_up(rows: &[Row]) -> Vec<Violation> {
    let mut wrong = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let above = |name: &str| rows[..at].iter().any(|row| row.name == name);
        if above(&row.name) {
            wrong.push(Violation::new(DOCUMENT, row.line, format!("a second row for {}", row.name)));
        }
        for name in row.allowed.iter().filter(|name| !above(name)) {
            let what = format!("the row of {} names {name}, which has no row above it", row.name);
            wrong.push(Violation::new(DOCUMENT, row.line, what));
        }
    }
    wrong
}

/// Returns the rows of the block: `folder: what it may import`.
fn block(document: &str) -> Vec<Row> {
    let lines = numbered(document).skip_while(|(_, line)| *line != "```imports").skip(1);
    lines
        .take_while(|(_, line)| *line != "```")
        .filter_map(|(number, line)| {
            let (name, allowed) = line.split_once(':')?;
            let allowed = allowed.split_whitespace().map(str::to_string).collect();
            Some(Row { line: number, name: name.trim().into(), allowed, forbids_unsafe: false })
        })
        .collect()
}

/// Returns the rows of the table of crates. Its cells hold the crates in backticks: one or more that a row describes, and
/// those that they depend on, or "all of the above". What stands in parentheses is a remark.
fn table(document: &str) -> Vec<Row> {
    let lines = numbered(document).skip_while(|(_, line)| !line.starts_with("| crate |")).skip(2);
    let mut rows: Vec<Row> = Vec::new();
    for (number, line) in lines.take_while(|(_, line)| line.starts_with('|')) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, names, depends, code, ..] = cells[..] else { continue };
        let allowed: Vec<String> = match depends {
            "all of the above" => rows.iter().map(|row| row.name.clone()).collect(),
            others => in_backticks(others),
        };
        let forbids_unsafe = code == "forbidden";
        rows.extend(in_backticks(names).into_iter().map(|name| Row {
            line: number,
            name,
            allowed: allowed.clone(),
            forbids_unsafe,
        }));
    }
    rows
}

fn in_backticks(cell: &str) -> Vec<String> {
    let without_remark = cell.split('(').next().unwrap_or(cell);
    without_remark.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

/// Returns the document's lines with their numbers.
fn numbered(document: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(document.lines().map(str::trim_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_gives_each_folder_its_row() {
        let rows = block("words\n```imports\narch:\ncpu: arch\n```\nmore: words\n");
        let lines: Vec<_> =
            rows.iter().map(|row| (row.line, row.name.as_str(), row.allowed.join(" "))).collect();
        assert_eq!(lines, [(3, "arch", String::new()), (4, "cpu", "arch".into())]);
    }

    #[test]
    fn the_table_gives_each_crate_its_row() {
        let document = "| crate | depends on | unsafe code |\n|---|---|---|\n| `units` | | forbidden |\n\
            | `a`, `b` | `units` | with care |\n| `kernel` | all of the above | |\n| `abi` (`ddk/abi`) | none of ours | |\n\n| x |";
        let rows: Vec<_> = table(document)
            .into_iter()
            .map(|row| (row.line, row.name, row.allowed.join(" "), row.forbids_unsafe))
            .collect();
        let row =
            |line, name: &str, allowed: &str, forbids| (line, name.to_string(), allowed.to_string(), forbids);
        assert_eq!(
            rows,
            [
                row(3, "units", "", true),
                row(4, "a", "units", false),
                row(4, "b", "units", false),
                row(5, "kernel", "units a b", false),
                row(6, "abi", "", false),
            ]
        );
    }

    #[test]
    fn a_row_names_only_rows_above_it() {
        let rows = block("```imports\narch: cpu\ncpu: arch cpu\ncpu:\n```");
        let wrong: Vec<_> = rows_that_look_up(&rows).iter().map(ToString::to_string).collect();
        assert_eq!(
            wrong,
            [
                "docs/architecture.md:2: the row of arch names cpu, which has no row above it",
                "docs/architecture.md:3: the row of cpu names cpu, which has no row above it",
                "docs/architecture.md:4: a second row for cpu",
            ]
        );
    }
}
