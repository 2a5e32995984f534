//! The box of a node: its name, memory, CPUs and devices.
use topology::{DeviceKind, Node, NumaTopology};
use units::NodeId;

use super::svg::{Area, LINE, Svg, characters_in, cut, text_width};

/// Pixels between a box's edge and what is in it.
const PADDING: i64 = 8;
/// The height of a memory bar, and of a CPU's box, with the space below it.
const BAR: i64 = 18;
const CPU: i64 = 24;
const SPACE: i64 = 5;

/// The highest number of a node's CPUs that have boxes of their own.
const MOST_BOXES: u32 = 12;
/// The highest number of lines for a list of CPUs, and for devices.
const MOST_LINES: usize = 3;

/// The form of the boxes of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// All that is known of a node.
    Large,
    /// The most important facts, for machines of many nodes.
    Small,
}

impl Form {
    pub const fn width(self) -> i64 {
        match self {
            Self::Large => 236,
            Self::Small => 190,
        }
    }

    const fn characters(self) -> usize {
        characters_in(self.width() - 2 * PADDING)
    }
}

/// What a row of a box shows.
enum Row {
    Head(String),
    Text(String),
    /// Memory: bytes that are there, bytes that may be added, and the style's class.
    Bar(u64, u64, &'static str),
    Cpus(Vec<u32>),
}

/// A node's box.
pub struct Card {
    form: Form,
    rows: Vec<Row>,
    /// The bytes of a full bar.
    full: u64,
}

impl Card {
    /// Describes a node. `full` is the largest memory of a node.
    pub fn new(topology: &NumaTopology, node: &Node, form: Form, full: u64) -> Self {
        let mut card = Self { form, rows: Vec::new(), full };
        card.name(node);
        card.memory(topology, node.id);
        card.cpus(topology, node);
        card.devices(topology, node);
        card
    }

    fn name(&mut self, &Node { id, domain, .. }: &Node) {
        if self.form == Form::Large {
            self.rows.push(Row::Head(format!("node {id} · domain {domain}")));
            return;
        }
        self.rows.push(Row::Head(format!("node {id}")));
        if domain.0 as usize != id.index() {
            self.text(format!("domain {domain}"));
        }
    }

    fn memory(&mut self, topology: &NumaTopology, node: NodeId) {
        let (fixed, hot) = memory(topology, node);
        match fixed + hot {
            0 => self.text("no memory".into()),
            _ => self.rows.push(Row::Bar(fixed, hot, "memory")),
        }
        if fixed > 0 {
            self.text(rounded(fixed));
        }
        if hot > 0 {
            self.text(format!("hot-pluggable {}", rounded(hot)));
        }
        let persistent = persistent(topology, node);
        if persistent > 0 {
            self.rows.push(Row::Bar(persistent, 0, "persistent"));
            self.text(format!("persistent {}", rounded(persistent)));
        }
        if let (Form::Large, Some(performance)) = (self.form, topology.performance()) {
            for cache in performance.side_caches().iter().filter(|cache| cache.node == node).take(MOST_LINES)
            {
                self.text(format!("side cache {}", rounded(cache.size)));
            }
        }
    }

    fn cpus(&mut self, topology: &NumaTopology, node: &Node) {
        let count = match node.cpu_count {
            0 => return self.text("no CPUs".into()),
            1 => "1 CPU".into(),
            count => format!("{count} CPUs"),
        };
        let list = topology.cpu_list(node.id).to_string();
        match self.form {
            Form::Large if node.cpu_count <= MOST_BOXES => {
                let cpus = topology.cpus().iter().filter(|cpu| cpu.node == node.id);
                self.text(count);
                self.rows.push(Row::Cpus(cpus.map(|cpu| cpu.id.0).collect()));
            }
            Form::Large => {
                self.text(count);
                self.list(&list);
            }
            Form::Small => {
                let list = format!("CPUs {list}");
                let fits = list.len() <= self.form.characters();
                self.text(if fits { list } else { count });
            }
        }
    }

    /// Appends a list of CPUs, at most [`MOST_LINES`] long.
    fn list(&mut self, list: &str) {
        let mut line = String::new();
        let mut lines = Vec::new();
        for part in list.split_inclusive(',') {
            if line.len() + part.len() > self.form.characters() {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(part);
        }
        lines.push(line);
        if lines.len() > MOST_LINES {
            lines.truncate(MOST_LINES);
            lines[MOST_LINES - 1].push('…');
        }
        lines.into_iter().for_each(|line| self.text(line));
    }

    fn devices(&mut self, topology: &NumaTopology, node: &Node) {
        let devices = topology.devices().iter();
        let devices: Vec<_> =
            devices.filter(|device| topology.node_of_domain(device.domain) == Some(node.id)).collect();
        if self.form == Form::Small {
            match devices.len() {
                0 => {}
                1 => self.text("1 device".into()),
                count => self.text(format!("{count} devices")),
            }
            return;
        }
        let shown = if devices.len() > MOST_LINES { MOST_LINES - 1 } else { devices.len() };
        for device in &devices[..shown] {
            self.text(device_text(device.kind, device.handle.map(|handle| handle.to_string())));
        }
        if shown < devices.len() {
            self.text(format!("and {} more devices", devices.len() - shown));
        }
    }

    fn text(&mut self, text: String) {
        self.rows.push(Row::Text(cut(&text, self.form.characters())));
    }

    /// Returns the pixels that the rows take.
    pub fn height(&self) -> i64 {
        2 * PADDING + self.rows.iter().map(|row| self.row_height(row)).sum::<i64>()
    }

    fn row_height(&self, row: &Row) -> i64 {
        match row {
            Row::Head(_) | Row::Text(_) => LINE,
            Row::Bar(..) => BAR,
            Row::Cpus(cpus) => CPU * cpus.len().div_ceil(self.cpus_in_row(cpus)) as i64,
        }
    }

    fn cpus_in_row(&self, cpus: &[u32]) -> usize {
        ((self.form.width() - 2 * PADDING + SPACE) / (cpu_width(cpus) + SPACE)) as usize
    }

    /// Draws the box.
    pub fn draw(&self, svg: &mut Svg, area: Area) {
        svg.area(area, "node");
        let (x, mut y) = (area.x + PADDING, area.y + PADDING);
        for row in &self.rows {
            match row {
                Row::Head(text) => svg.text((x, y), "head", text),
                Row::Text(text) => svg.text((x, y), "", text),
                Row::Bar(fixed, hot, class) => self.draw_bar(svg, (x, y), (*fixed, *hot), class),
                Row::Cpus(cpus) => self.draw_cpus(svg, (x, y), cpus),
            }
            y += self.row_height(row);
        }
    }

    fn draw_bar(&self, svg: &mut Svg, (x, y): (i64, i64), (fixed, hot): (u64, u64), class: &str) {
        let room = Area { x, y: y + 2, width: self.form.width() - 2 * PADDING, height: BAR - 6 };
        svg.area(room, "room");
        let full = u128::from(self.full.max(1));
        // The smallest memory is visible, too.
        let pixels = |bytes: u64| (u128::from(bytes) * room.width as u128).div_ceil(full) as i64;
        let total = pixels(fixed.saturating_add(hot)).min(room.width);
        if hot > 0 {
            svg.area(Area { width: total, ..room }, "hot");
        }
        if fixed > 0 {
            svg.area(Area { width: pixels(fixed).min(room.width), ..room }, class);
        }
    }

    fn draw_cpus(&self, svg: &mut Svg, (x, y): (i64, i64), cpus: &[u32]) {
        let width = cpu_width(cpus);
        for (row, cpus) in cpus.chunks(self.cpus_in_row(cpus)).enumerate() {
            for (column, cpu) in cpus.iter().enumerate() {
                let (x, y) = (x + (width + SPACE) * column as i64, y + CPU * row as i64);
                let area = Area { x, y, width, height: CPU - SPACE };
                svg.area(area, "cpu");
                svg.text_in(area, &cpu.to_string());
            }
        }
    }
}

fn cpu_width(cpus: &[u32]) -> i64 {
    let digits = cpus.iter().max().map_or(1, |cpu| cpu.to_string().len());
    (text_width(digits) + 8).max(24)
}

/// Returns a device as text.
pub fn device_text(kind: DeviceKind, handle: Option<String>) -> String {
    let kind = match kind {
        DeviceKind::Initiator => "initiator",
        DeviceKind::Port => "port",
    };
    format!("{kind} {}", handle.as_deref().unwrap_or("of an unknown kind"))
}

/// Returns a node's bytes of memory that is there and of memory that may be added.
pub fn memory(topology: &NumaTopology, node: NodeId) -> (u64, u64) {
    let size = |hot_pluggable| {
        let ranges = topology.ranges_of(node).filter(|range| range.hot_pluggable == hot_pluggable);
        ranges.map(|range| range.range.len_bytes()).fold(0, u64::saturating_add)
    };
    (size(false), size(true))
}

/// Returns the bytes of persistent memory that are nearest to a node.
pub fn persistent(topology: &NumaTopology, node: NodeId) -> u64 {
    let ranges = topology.persistent_ranges().iter().filter(|range| range.nearest == node);
    ranges.map(|range| range.range.len_bytes()).fold(0, u64::saturating_add)
}

/// Returns a number of bytes with at most three digits, rounded.
pub fn rounded(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let tenths_of = |unit: usize| (u128::from(bytes) * 10 + (1 << (10 * unit) >> 1)) >> (10 * unit);
    let unit = (0..units.len() - 1).find(|&unit| tenths_of(unit) < 9_995).unwrap_or(units.len() - 1);
    let tenths = if unit == 0 { u128::from(bytes) * 10 } else { tenths_of(unit) };
    match (tenths / 10, tenths % 10) {
        (whole, part) if whole < 10 && part > 0 => format!("{whole}.{part} {}", units[unit]),
        (whole, part) => format!("{} {}", whole + part / 5, units[unit]),
    }
}
