//! A matrix from rows to columns: with values if there is room, else with colours alone.
use std::collections::BTreeMap;
use std::fmt::Display;

use topology::{Figure, Measure, NumaTopology};

use super::svg::{Area, Colour, LINE, Point, Svg, text_width};

/// The highest number of columns with values, and the highest width of such a matrix.
const MOST_VALUES: usize = 20;
const WIDEST: i64 = 1800;
/// The sizes of a cell without values.
const SMALL_CELL: i64 = 18;
const SMALLEST_CELL: i64 = 8;
/// The highest number of nodes with cells of [`SMALL_CELL`].
const MOST_SMALL_CELLS: usize = 48;
/// The highest number of colours in a legend.
const MOST_COLOURS: usize = 8;
const SPACE: i64 = 8;

/// What a cell contains.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Known(u64),
    Unreachable,
    Unspecified,
}

/// The matrix of a quantity.
pub struct Matrix {
    title: String,
    rows: Vec<String>,
    cells: Vec<Vec<Value>>,
    /// Writes a known value.
    text: fn(u64) -> String,
    /// True if a higher value is a nearer one.
    is_higher_better: bool,
}

impl Matrix {
    /// Returns the matrix of the distances.
    pub fn of_distances(topology: &NumaTopology) -> Self {
        let value = |distance: u8| match distance {
            u8::MAX => Value::Unreachable,
            distance => Value::Known(distance.into()),
        };
        let nodes = topology.nodes();
        Self {
            title: "distance from a row's node to a column's".into(),
            rows: nodes.iter().map(|node| format!("node {}", node.id)).collect(),
            cells: nodes.iter().map(|node| topology.distances_from(node.id).map(value).collect()).collect(),
            text: |distance| distance.to_string(),
            is_higher_better: false,
        }
    }

    /// Returns the matrices of what the HMAT gives. A matrix for reads that is also right for writes is one matrix.
    pub fn of_performance(topology: &NumaTopology) -> Vec<Self> {
        let of = |reads, writes, both: &str| {
            let matrix = |measure| Self::of_measure(topology, measure);
            match (matrix(reads), matrix(writes)) {
                (Some(reads), Some(writes)) if reads.cells == writes.cells => {
                    vec![Self { title: format!("{both} {TO_NODE}"), ..reads }]
                }
                (reads, writes) => reads.into_iter().chain(writes).collect(),
            }
        };
        let mut all = of(Measure::ReadLatency, Measure::WriteLatency, "latency (ns)");
        all.extend(of(Measure::ReadBandwidth, Measure::WriteBandwidth, "bandwidth (MB/s)"));
        all
    }

    /// Returns the matrix of a measure, or `None` if the HMAT does not give it.
    fn of_measure(topology: &NumaTopology, measure: Measure) -> Option<Self> {
        let performance = topology.performance()?;
        let initiators = performance.initiators();
        if !(0..initiators.len()).any(|index| performance.knows(index, measure)) {
            return None;
        }
        let value = |figure| match figure {
            Figure::Known(value) => Value::Known(value.into()),
            Figure::Unreachable => Value::Unreachable,
            Figure::Unspecified => Value::Unspecified,
        };
        let cells = |index| performance.figures(index, measure).map(value).collect();
        let name = |&topology::Initiator { domain, node }: &_| {
            node.map_or_else(|| format!("domain {domain}"), |node| format!("node {node}"))
        };
        let is_latency = matches!(measure, Measure::ReadLatency | Measure::WriteLatency);
        let latency = |value: u64| Measure::ReadLatency.display(Figure::Known(value as u32)).to_string();
        Some(Self {
            title: format!("{} {TO_NODE}", measure.name()),
            rows: initiators.iter().map(name).collect(),
            cells: (0..initiators.len()).map(cells).collect(),
            text: if is_latency { latency } else { |value| value.to_string() },
            is_higher_better: !is_latency,
        })
    }

    fn value_text(&self, value: Value) -> String {
        match value {
            Value::Known(value) => (self.text)(value),
            Value::Unreachable => "-".into(),
            Value::Unspecified => "?".into(),
        }
    }

    fn columns(&self) -> usize {
        self.cells.first().map_or(0, Vec::len)
    }

    /// Returns the width and the height of a cell, and true if it contains the value.
    fn cell(&self) -> (i64, i64, bool) {
        let widest = self.cells.iter().flatten().map(|&value| self.value_text(value).len()).max();
        let width = (text_width(widest.unwrap_or(1)) + 8).max(30);
        let count = self.columns().max(self.rows.len());
        if count <= MOST_VALUES && width * self.columns() as i64 <= WIDEST {
            (width, 22, true)
        } else {
            let size = if count <= MOST_SMALL_CELLS { SMALL_CELL } else { SMALLEST_CELL };
            (size, size, false)
        }
    }

    /// Draws the matrix with this left upper corner. Returns the width and the height that it takes.
    pub fn draw(&self, svg: &mut Svg, (x, y): Point) -> (i64, i64) {
        svg.text((x, y), "head", &self.title);
        let label = self.rows.iter().map(|row| text_width(row.len())).max().unwrap_or(0);
        let (left, top) = (x + label + SPACE, y + 2 * LINE + 2);
        let (width, height, has_values) = self.cell();
        let step = if height < SMALL_CELL { 8 } else { 1 };
        for column in (0..self.columns()).step_by(step) {
            let area = Area { x: left + width * column as i64, y: top - LINE - 1, width, height: LINE };
            svg.text_in(area, &column.to_string());
        }
        for (row, name) in self.rows.iter().enumerate().step_by(step) {
            svg.text((x, top + height * row as i64 + (height - LINE) / 2), "", name);
        }
        self.draw_cells(svg, (left, top), (width, height));
        if has_values {
            self.draw_values(svg, (left, top), (width, height));
        }
        let bottom = top + height * self.rows.len() as i64;
        let right = left + width * self.columns() as i64;
        let legend = if has_values { (0, 0) } else { self.draw_legend(svg, (x, bottom + SPACE)) };
        let right = right.max(x + legend.0).max(x + text_width(self.title.len()));
        (right - x, bottom + legend.1 - y)
    }

    fn bounds(&self) -> (u64, u64) {
        let known = || {
            self.cells.iter().flatten().filter_map(|value| match value {
                Value::Known(value) => Some(*value),
                _ => None,
            })
        };
        (known().min().unwrap_or(0), known().max().unwrap_or(0))
    }

    /// Returns the background of a value, if the known values are between these bounds.
    fn fill(&self, value: Value, (low, high): (u64, u64)) -> Fill {
        let Value::Known(value) = value else { return Fill::Unknown };
        let farness = if high == low { 0 } else { ((value - low) * 1000 / (high - low)) as i64 };
        Fill::Colour(Colour::of_cell(if self.is_higher_better && high > low {
            1000 - farness
        } else {
            farness
        }))
    }

    /// Draws the backgrounds: a path for each colour, with a rectangle for each run of equal cells in a row.
    fn draw_cells(&self, svg: &mut Svg, (left, top): Point, (width, height): (i64, i64)) {
        let mut runs: BTreeMap<Value, Vec<(Point, i64)>> = BTreeMap::new();
        for (row, cells) in self.cells.iter().enumerate() {
            let mut column = 0;
            for run in cells.chunk_by(|a, b| a == b) {
                let corner = (left + width * column, top + height * row as i64);
                runs.entry(run[0]).or_default().push((corner, width * run.len() as i64));
                column += run.len() as i64;
            }
        }
        let mut fills: BTreeMap<Fill, Vec<(Point, i64)>> = BTreeMap::new();
        let bounds = self.bounds();
        runs.into_iter().for_each(|(value, runs)| {
            fills.entry(self.fill(value, bounds)).or_default().extend(runs);
        });
        fills.iter().for_each(|(fill, runs)| svg.runs(runs, height, fill));
    }

    fn draw_values(&self, svg: &mut Svg, (left, top): Point, (width, height): (i64, i64)) {
        for (row, cells) in self.cells.iter().enumerate() {
            for (column, &value) in cells.iter().enumerate() {
                let (x, y) = (left + width * column as i64, top + height * row as i64);
                svg.text_in(Area { x, y, width, height }, &self.value_text(value));
            }
        }
    }

    /// Draws some values with their colours. Returns the width and the height with the space above.
    fn draw_legend(&self, svg: &mut Svg, (x, y): Point) -> (i64, i64) {
        let mut values: Vec<Value> = self.cells.iter().flatten().copied().collect();
        values.sort_unstable();
        values.dedup();
        let step = values.len().saturating_sub(1).div_ceil(MOST_COLOURS - 1).max(1);
        let last = values.last().copied();
        let mut shown: Vec<Value> = values.into_iter().step_by(step).collect();
        if shown.last() != last.as_ref() {
            shown.extend(last);
        }
        let (bounds, mut right) = (self.bounds(), x);
        for value in shown {
            let text = self.value_text(value);
            match self.fill(value, bounds) {
                Fill::Colour(colour) => {
                    svg.filled(Area { x: right, y: y + 3, width: 12, height: 12 }, colour)
                }
                Fill::Unknown => svg.area(Area { x: right, y: y + 3, width: 12, height: 12 }, "unknown"),
            }
            svg.text((right + 16, y), "", &text);
            right += 16 + text_width(text.len()) + 10;
        }
        (right - x, LINE + SPACE)
    }
}

/// The end of a matrix's title.
const TO_NODE: &str = "from a row to a column's node";

/// The background of a cell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fill {
    Colour(Colour),
    Unknown,
}

impl Display for Fill {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Colour(colour) => write!(out, "fill=\"{colour}\""),
            Self::Unknown => out.write_str("class=\"unknown\""),
        }
    }
}
