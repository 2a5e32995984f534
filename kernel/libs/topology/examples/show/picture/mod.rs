//! The machine as a picture: a box for each node, the distances between them, and what is wrong in the tables.
mod card;
mod matrix;
mod ring;
mod svg;

use acpi_tables::Finding;
use topology::{NumaTopology, Source};

use card::{Card, Form, device_text, memory, persistent, rounded};
use matrix::Matrix;
use svg::{Area, LINE, Point, Svg, characters_in, cut, text_width};

/// Pixels at the edges and between the parts.
const MARGIN: i64 = 20;
const GAP: i64 = 12;
/// The smallest width of a picture, which leaves room for findings.
const NARROWEST: i64 = 720;
/// The highest number of findings, and of devices without a node, that are listed.
const MOST_FINDINGS: usize = 100;
const MOST_DEVICES: usize = 20;

/// Returns the picture as an SVG file. The same machine has the same picture, byte for byte.
pub fn draw(topology: &NumaTopology, findings: &[Finding]) -> String {
    let mut picture = Picture { svg: Svg::default(), width: NARROWEST, bottom: MARGIN };
    let title = title(topology);
    picture.line("head", &title);
    picture.line("quiet", &sources(topology));
    picture.legend(topology);
    picture.nodes(topology);
    picture.matrices(topology);
    picture.devices(topology);
    picture.findings(findings);
    picture.svg.finish(&title, picture.width, picture.bottom + MARGIN)
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn title(topology: &NumaTopology) -> String {
    let memory = topology.nodes().iter().map(|node| memory(topology, node.id).0).fold(0, u64::saturating_add);
    let (nodes, cpus) = (count(topology.node_count(), "node"), count(topology.cpus().len(), "CPU"));
    format!("{nodes}, {cpus}, {} of memory", rounded(memory))
}

fn sources(topology: &NumaTopology) -> String {
    let nodes = if topology.source() == Source::Srat { "from the SRAT" } else { "without a usable SRAT" };
    let distances = if topology.has_distance_matrix() { "from the SLIT" } else { "assumed" };
    match topology.node_count() {
        1 => format!("nodes {nodes}"),
        _ => format!("nodes {nodes}; distances {distances}, 10 within a node"),
    }
}

/// A picture under construction, from the top to the bottom.
struct Picture {
    svg: Svg,
    width: i64,
    bottom: i64,
}

impl Picture {
    /// Appends a line of text, cut at the picture's width.
    fn line(&mut self, class: &str, text: &str) {
        let text = cut(text, characters_in(self.width - 2 * MARGIN));
        self.svg.text((MARGIN, self.bottom), class, &text);
        self.bottom += LINE;
    }

    /// Appends a text, in as many lines as it needs. Further lines are indented.
    fn wrapped(&mut self, text: &str) {
        let room = characters_in(self.width - 2 * MARGIN);
        let mut line = String::new();
        for word in text.split(' ') {
            let separator = if line.trim_start().is_empty() { "" } else { " " };
            if line.chars().count() + separator.len() + word.chars().count() > room && !separator.is_empty() {
                self.line("", &line);
                line = format!("    {word}");
            } else {
                line += separator;
                line += word;
            }
        }
        self.line("", &line);
    }

    /// Appends the meaning of the colours of memory, if there are several kinds.
    fn legend(&mut self, topology: &NumaTopology) {
        let any = |test: &dyn Fn(units::NodeId) -> bool| topology.nodes().iter().any(|node| test(node.id));
        let kinds = [
            ("memory", "memory", true),
            ("hot", "memory that may be added", any(&|node| memory(topology, node).1 > 0)),
            ("persistent", "persistent memory", any(&|node| persistent(topology, node) > 0)),
        ];
        if kinds.iter().filter(|kind| kind.2).count() > 1 {
            let mut x = MARGIN;
            for (class, text, _) in kinds.iter().filter(|kind| kind.2) {
                self.svg.area(Area { x, y: self.bottom + 3, width: 12, height: 12 }, class);
                self.svg.text((x + 16, self.bottom), "quiet", text);
                x += 16 + text_width(text.len()) + GAP;
            }
            self.bottom += LINE;
        }
    }

    /// Appends the nodes: few as a ring with lines, many as a grid.
    fn nodes(&mut self, topology: &NumaTopology) {
        let is_ring = topology.node_count() <= ring::MOST_NODES;
        let form = if is_ring { Form::Large } else { Form::Small };
        let nodes = topology.nodes().iter();
        let full = nodes.clone().map(|node| {
            let (fixed, hot) = memory(topology, node.id);
            fixed.saturating_add(hot).max(persistent(topology, node.id))
        });
        let full = full.max().unwrap_or(0);
        let cards: Vec<Card> = nodes.map(|node| Card::new(topology, node, form, full)).collect();
        let (width, height) = (form.width(), cards.iter().map(Card::height).max().unwrap_or(0));
        let areas =
            if is_ring { ring::areas(cards.len(), width, height) } else { grid(cards.len(), width, height) };
        let right = areas.iter().map(|area| area.x + area.width).max().unwrap_or(0);
        let bottom = areas.iter().map(|area| area.y + area.height).max().unwrap_or(0);
        self.width = self.width.max(right + 2 * MARGIN);
        let corner = (MARGIN.max((self.width - right) / 2), self.bottom + GAP);
        let areas: Vec<Area> = areas.into_iter().map(|area| area.moved(corner)).collect();
        if is_ring {
            ring::draw_lines(&mut self.svg, topology, &areas);
        }
        cards.iter().zip(&areas).for_each(|(card, &area)| card.draw(&mut self.svg, area));
        if is_ring {
            ring::draw_values(&mut self.svg, topology, &areas);
        }
        self.bottom = corner.1 + bottom + GAP;
    }

    /// Appends the distances of many nodes, and what the HMAT gives.
    fn matrices(&mut self, topology: &NumaTopology) {
        let is_large = topology.node_count() > ring::MOST_NODES;
        let distances = is_large.then(|| Matrix::of_distances(topology));
        for matrix in distances.into_iter().chain(Matrix::of_performance(topology)) {
            let corner: Point = (MARGIN, self.bottom + GAP);
            let (width, height) = matrix.draw(&mut self.svg, corner);
            self.width = self.width.max(width + 2 * MARGIN);
            self.bottom = corner.1 + height + GAP;
        }
    }

    /// Appends the devices whose domain is no node.
    fn devices(&mut self, topology: &NumaTopology) {
        let devices = topology.devices().iter();
        let elsewhere: Vec<_> =
            devices.filter(|device| topology.node_of_domain(device.domain).is_none()).collect();
        if elsewhere.is_empty() {
            return;
        }
        self.heading("Devices in domains that are no node");
        for device in elsewhere.iter().take(MOST_DEVICES) {
            let text = device_text(device.kind, device.handle.map(|handle| handle.to_string()));
            self.wrapped(&format!("domain {}: {text}", device.domain));
        }
        self.more(elsewhere.len(), MOST_DEVICES);
    }

    /// Appends what is wrong in the tables.
    fn findings(&mut self, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        self.heading("Findings");
        findings.iter().take(MOST_FINDINGS).for_each(|finding| self.wrapped(&finding.in_full().to_string()));
        self.more(findings.len(), MOST_FINDINGS);
    }

    fn heading(&mut self, text: &str) {
        self.bottom += GAP;
        self.line("head", text);
    }

    fn more(&mut self, all: usize, shown: usize) {
        if all > shown {
            self.line("quiet", &format!("and {} more", all - shown));
        }
    }
}

/// Returns the boxes of many nodes in rows, so that the whole is about as high as wide, from the point (0, 0).
fn grid(count: usize, width: i64, height: i64) -> Vec<Area> {
    let (width_step, height_step) = (width + GAP, height + GAP);
    let is_wide =
        |columns: &usize| *columns as i64 * width_step >= count.div_ceil(*columns) as i64 * height_step;
    let columns = (1..=count.max(1)).find(is_wide).unwrap_or(1);
    let area = |index: usize| Area {
        x: (index % columns) as i64 * width_step,
        y: (index / columns) as i64 * height_step,
        width,
        height,
    };
    (0..count).map(area).collect()
}
