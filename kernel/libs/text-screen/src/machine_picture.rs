//! A picture of a machine: a box for each node, with its memory as a bar, its CPUs with their load, and lines for the distances.
use crate::{BACKGROUND, Colour, Font, Mode, Painter, PixelArea};

const TEXT: Colour = Colour(216, 220, 226);
const EDGE: Colour = Colour(110, 120, 134);
const BOX: Colour = Colour(28, 32, 40);
const USED: Colour = Colour(91, 159, 107);
const FREE: Colour = Colour(44, 52, 62);
const LINK: Colour = Colour(150, 130, 80);

/// The highest load of a CPU.
pub const FULL_LOAD: u8 = 4;
/// Pixels between boxes in letters' widths, and the height of the space between them in letters' heights.
const GAP_LETTERS: usize = 5;
/// The highest number of nodes between which lines are drawn.
const MOST_LINKED: usize = 8;
/// The lines of text in a box: name, memory, devices. The bar and the CPUs take one each.
const LINES: usize = 5;
/// The fewest letters of a line in a box.
const FEWEST_LETTERS: usize = 14;

/// What a node's box shows.
#[derive(Clone, Copy)]
pub struct NodeLook<'l> {
    /// Memory that is in use, in MiB.
    pub used_mib: u64,
    /// All memory, in MiB.
    pub total_mib: u64,
    /// The load of each CPU, from 0 to [`FULL_LOAD`].
    pub loads: &'l [u8],
    /// The number of devices of the node.
    pub devices: usize,
}

/// Where the boxes of a machine's nodes are.
#[derive(Clone, Copy, Debug)]
pub struct MachinePicture {
    font: Font,
    nodes: usize,
    columns: usize,
    /// The first box.
    first: PixelArea,
    /// The distance from one box to the next.
    step: (usize, usize),
    /// The width of the screen, and the lines that the picture takes.
    width: usize,
    lines: usize,
}

impl MachinePicture {
    /// Returns the picture of this many nodes in the upper part of a screen, in at most `most_lines` lines of text. Returns `None` if there
    /// is not enough room.
    #[must_use]
    pub fn new(mode: &Mode, nodes: usize, most_lines: usize) -> Option<Self> {
        let font = Font::for_mode(mode);
        let (letter, line) = (font.width(), font.height());
        let gap = letter * GAP_LETTERS;
        // As few rows as the width allows.
        let widest = FEWEST_LETTERS * letter + letter;
        let most_columns = (mode.width() - letter.min(mode.width())) / (widest + gap);
        let columns = nodes.min(most_columns).max(1);
        let rows = nodes.div_ceil(columns);
        // The title, then for each row of boxes their lines and one of space.
        let lines = 1 + rows * (LINES + 1);
        if nodes == 0 || most_columns == 0 || lines > most_lines {
            return None;
        }
        let columns = nodes.div_ceil(rows);
        let width = ((mode.width() - letter) / columns - gap).min(48 * letter);
        let first = PixelArea { x: letter, y: line + line / 4, width, height: LINES * line + line / 4 };
        let step = (width + gap, (LINES + 1) * line);
        Some(Self { font, nodes, columns, first, step, width: mode.width(), lines })
    }

    /// Returns the number of lines of text that the picture takes.
    #[must_use]
    pub const fn lines(&self) -> usize {
        self.lines
    }

    /// Returns the box of a node.
    #[must_use]
    pub const fn node_box(&self, node: usize) -> PixelArea {
        let (column, row) = (node % self.columns, node / self.columns);
        PixelArea {
            x: self.first.x + column * self.step.0,
            y: self.first.y + row * self.step.1,
            width: self.first.width,
            height: self.first.height,
        }
    }

    /// Returns the left upper corner of a line of text in a node's box: 0 for the name, 1 for the bar, 2 for the memory, 3 for the CPUs, 4
    /// for the devices.
    #[must_use]
    pub const fn line_in_box(&self, node: usize, line: usize) -> (usize, usize) {
        let area = self.node_box(node);
        (area.x + self.font.width() / 2, area.y + self.font.height() / 8 + line * self.font.height())
    }

    /// Draws what does not change: the title, the boxes, and the distances between them.
    pub fn draw_still(&self, painter: &mut Painter<'_>, title: &[u8], distance: impl Fn(usize, usize) -> u8) {
        let height = self.lines * self.font.height();
        painter.fill(PixelArea { x: 0, y: 0, width: self.width, height }, BACKGROUND);
        painter.text(self.font, (self.font.width(), 0), TEXT, title);
        if self.nodes <= MOST_LINKED {
            let near = self.pairs().map(|(a, b)| distance(a, b)).min().unwrap_or(0);
            self.pairs().for_each(|(a, b)| self.draw_link(painter, (a, b), distance(a, b), near));
        }
        for node in 0..self.nodes {
            let area = self.node_box(node);
            painter.fill(area, BOX);
            painter.frame(area, EDGE);
        }
        if self.nodes <= MOST_LINKED {
            self.pairs().for_each(|(a, b)| self.draw_distance(painter, (a, b), distance(a, b)));
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let nodes = self.nodes;
        (0..nodes).flat_map(move |a| (a + 1..nodes).map(move |b| (a, b)))
    }

    fn middle(&self, node: usize) -> (usize, usize) {
        let area = self.node_box(node);
        (area.x + area.width / 2, area.y + area.height / 2)
    }

    fn draw_link(&self, painter: &mut Painter<'_>, (a, b): (usize, usize), distance: u8, near: u8) {
        let thickness = if distance <= near { 4 } else { 2 };
        painter.line(self.middle(a), self.middle(b), thickness, LINK);
    }

    /// Writes a distance in the gap between two boxes that are side by side, the others would lie on boxes.
    fn draw_distance(&self, painter: &mut Painter<'_>, (a, b): (usize, usize), distance: u8) {
        let (from, to) = (self.node_box(a), self.node_box(b));
        if from.y != to.y || b != a + 1 {
            return;
        }
        let digits = [distance / 100, distance / 10 % 10, distance % 10].map(|digit| b'0' + digit);
        let skipped = digits.iter().take(2).take_while(|digit| **digit == b'0').count();
        let (letter, line) = (self.font.width(), self.font.height());
        let x = from.x + from.width + letter;
        painter.text(self.font, (x, self.middle(a).1 - line - 2), TEXT, &digits[skipped..]);
    }

    /// Draws the contents of a node's box.
    pub fn draw_node(&self, painter: &mut Painter<'_>, node: usize, look: &NodeLook<'_>) {
        let letters = self.first.width / self.font.width() - 1;
        let text = |painter: &mut Painter<'_>, line, text: &Short| {
            let at = self.line_in_box(node, line);
            let shown = text.as_bytes().get(..letters).unwrap_or(text.as_bytes());
            let rest = (letters - shown.len()) * self.font.width();
            let x = at.0 + shown.len() * self.font.width();
            painter.fill(PixelArea { x, y: at.1, width: rest, height: self.font.height() }, BOX);
            painter.text_on(self.font, at, (TEXT, BOX), shown);
        };
        text(painter, 0, &Short::of(&[Part::Text("node "), Part::Number(node as u64)]));
        self.draw_bar(painter, node, look);
        let memory = [
            Part::Number(look.used_mib),
            Part::Text(" of "),
            Part::Number(look.total_mib),
            Part::Text(" MiB"),
        ];
        text(painter, 2, &Short::of(&memory));
        self.draw_cpus(painter, node, look.loads);
        let noun = if look.devices == 1 { " device" } else { " devices" };
        text(painter, 4, &Short::of(&[Part::Number(look.devices as u64), Part::Text(noun)]));
    }

    /// Returns the bar of a node's memory, and the width of its part that is in use.
    #[must_use]
    pub fn bar(&self, node: usize, look: &NodeLook<'_>) -> (PixelArea, usize) {
        let (x, y) = self.line_in_box(node, 1);
        let line = self.font.height();
        let width = self.first.width - self.font.width();
        let used = look.used_mib.min(look.total_mib).saturating_mul(width as u64);
        let used = used.checked_div(look.total_mib).unwrap_or(0) as usize;
        (PixelArea { x, y: y + line / 4, width, height: line / 2 }, used)
    }

    fn draw_bar(&self, painter: &mut Painter<'_>, node: usize, look: &NodeLook<'_>) {
        let (bar, used) = self.bar(node, look);
        painter.fill(PixelArea { width: used, ..bar }, USED);
        painter.fill(PixelArea { x: bar.x + used, width: bar.width - used, ..bar }, FREE);
    }

    /// Returns a point in the square of a node's CPU, of so many CPUs.
    #[must_use]
    pub fn square(&self, node: usize, cpu: usize, cpus: usize) -> (usize, usize) {
        let ((x, y), size) = (self.line_in_box(node, 3), self.square_size(cpus));
        (x + cpu * size + size / 3, y + 2 + size / 3)
    }

    /// Returns the width of a CPU's square and the gap behind it.
    fn square_size(&self, cpus: usize) -> usize {
        let room = self.first.width - self.font.width();
        (room / cpus.max(1)).clamp(2, self.font.height() * 3 / 4)
    }

    /// Draws a square for each CPU: the higher its load, the brighter. Those without room are left out.
    fn draw_cpus(&self, painter: &mut Painter<'_>, node: usize, loads: &[u8]) {
        let (x, y) = self.line_in_box(node, 3);
        let room = self.first.width - self.font.width();
        let size = self.square_size(loads.len());
        for (index, load) in loads.iter().enumerate().take(room / size) {
            let step = (*load).min(FULL_LOAD) * 15 / FULL_LOAD;
            let colour = if step == 0 { FREE } else { Colour(240, 200, 90).faded(step) };
            let area = PixelArea {
                x: x + index * size,
                y: y + 2,
                width: size - 1,
                height: size.min(self.font.height()) - 1,
            };
            painter.fill(area, colour);
        }
    }
}

/// A part of a short text.
enum Part<'p> {
    Text(&'p str),
    Number(u64),
}

/// A text of a few words.
struct Short {
    letters: [u8; 64],
    length: usize,
}

impl Short {
    fn of(parts: &[Part<'_>]) -> Self {
        let mut short = Self { letters: [0; 64], length: 0 };
        for part in parts {
            match part {
                Part::Text(text) => text.bytes().for_each(|letter| short.push(letter)),
                Part::Number(number) => {
                    let mut rest = *number;
                    let mut digits = [0; 20];
                    let mut first = digits.len();
                    loop {
                        first -= 1;
                        digits[first] = b'0' + (rest % 10) as u8;
                        rest /= 10;
                        if rest == 0 {
                            break;
                        }
                    }
                    digits[first..].iter().for_each(|digit| short.push(*digit));
                }
            }
        }
        short
    }

    fn push(&mut self, letter: u8) {
        if let Some(slot) = self.letters.get_mut(self.length) {
            *slot = letter;
            self.length += 1;
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.letters[..self.length]
    }
}
