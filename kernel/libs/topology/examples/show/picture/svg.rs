//! Writes SVG: boxes, lines and text at whole pixels, each element on a line of its own.
use std::fmt::{Display, Write};

/// The size of text in pixels.
pub const FONT_SIZE: i64 = 13;
/// The distance between two lines of text.
pub const LINE: i64 = 18;
/// The position of a text's baseline below the top of its line.
const BASELINE: i64 = 13;

/// The colours and fonts. The picture has its own background, so it is the same on light and dark pages.
const STYLE: &str = "\
text{font:13px \"DejaVu Sans Mono\",\"Liberation Mono\",Menlo,Consolas,monospace;fill:#1f2328;white-space:pre}
.head{font-weight:bold}
.quiet{fill:#59636e}
.middle{text-anchor:middle}
.page{fill:#ffffff}
.node{fill:#f6f8fa;stroke:#59636e}
.cpu{fill:#dde7f3;stroke:#6e87a5}
.room{fill:#ffffff;stroke:#8c959f}
.memory{fill:#5b9f6b}
.hot{fill:#c5e3cb}
.persistent{fill:#9a78c4}
.label{fill:#ffffff;stroke:#d1d9e0}
.line{fill:none}
.unreachable{stroke:#8c959f;stroke-dasharray:3 5}
.unknown{fill:#eaeef2}
";

/// A rectangle in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
}

impl Area {
    /// Returns the rectangle with this middle.
    pub const fn around((x, y): Point, width: i64, height: i64) -> Self {
        Self { x: x - width / 2, y: y - height / 2, width, height }
    }

    pub const fn middle(self) -> Point {
        (self.x + self.width / 2, self.y + self.height / 2)
    }

    pub const fn moved(self, (x, y): Point) -> Self {
        Self { x: self.x + x, y: self.y + y, ..self }
    }

    /// Returns true if the rectangles have less than `gap` pixels between them.
    pub const fn is_near(self, other: Self, gap: i64) -> bool {
        self.x < other.x + other.width + gap
            && other.x < self.x + self.width + gap
            && self.y < other.y + other.height + gap
            && other.y < self.y + self.height + gap
    }

    /// Returns true if the line between two points has a part inside of the rectangle.
    pub fn is_crossed(self, from: Point, to: Point) -> bool {
        // A convex shape that lies on both sides of a line crosses it, if the line is long enough.
        let side =
            |x: i64, y: i64| ((to.0 - from.0) * (y - from.1) - (to.1 - from.1) * (x - from.0)).signum();
        let (right, bottom) = (self.x + self.width, self.y + self.height);
        let sides = [side(self.x, self.y), side(right, self.y), side(self.x, bottom), side(right, bottom)];
        let bounds = Self {
            x: from.0.min(to.0),
            y: from.1.min(to.1),
            width: (to.0 - from.0).abs(),
            height: (to.1 - from.1).abs(),
        };
        sides.iter().any(|&it| it != sides[0]) && self.is_near(bounds, 0)
    }
}

/// Pixels from the left and from the top.
pub type Point = (i64, i64);

/// Returns the highest number of pixels that a text of this many characters takes in any usual monospaced font.
pub const fn text_width(characters: usize) -> i64 {
    // Courier has 0.6, DejaVu Sans Mono 0.602 of the font's size.
    (characters as i64 * FONT_SIZE * 62).div_euclid(100) + 1
}

/// Returns the number of characters that always fit into this many pixels.
pub const fn characters_in(pixels: i64) -> usize {
    let count = (pixels - 1) * 100 / (FONT_SIZE * 62);
    if count > 0 { count as usize } else { 0 }
}

/// Cuts a text to a number of characters. A cut text ends with an ellipsis.
pub fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

/// A picture under construction.
#[derive(Default)]
pub struct Svg {
    elements: String,
}

impl Svg {
    /// Draws a rectangle of a class of the style.
    pub fn area(&mut self, Area { x, y, width, height }: Area, class: &str) {
        self.element(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        ));
    }

    /// Draws a rectangle in a colour.
    pub fn filled(&mut self, Area { x, y, width, height }: Area, colour: Colour) {
        self.element(format_args!(
            "<rect class=\"cell\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\"/>"
        ));
    }

    /// Draws squares of one size in one colour, each run of them `(left upper corner, width)`.
    pub fn runs(&mut self, runs: &[(Point, i64)], height: i64, fill: impl Display) {
        let mut path = String::new();
        for ((x, y), width) in runs {
            let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
        }
        self.element(format_args!("<path {fill} d=\"{path}\"/>"));
    }

    /// Draws a line, with its width in tenths of a pixel.
    pub fn line(&mut self, from: Point, to: Point, tenths: i64, colour: Colour) {
        let (whole, part) = (tenths / 10, tenths % 10);
        let ((x1, y1), (x2, y2)) = (from, to);
        self.element(format_args!(
            "<line class=\"line\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"{colour}\" stroke-width=\"{whole}.{part}\"/>"
        ));
    }

    /// Draws a line for nodes that cannot reach each other.
    pub fn dashed(&mut self, (x1, y1): Point, (x2, y2): Point) {
        self.element(format_args!(
            "<line class=\"line unreachable\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        ));
    }

    /// Draws text that begins at this left upper corner.
    pub fn text(&mut self, (x, y): Point, class: &str, text: &str) {
        let y = y + BASELINE;
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        self.element(format_args!("<text{class} x=\"{x}\" y=\"{y}\">{}</text>", escaped(text)));
    }

    /// Draws text in the middle of an area.
    pub fn text_in(&mut self, area: Area, text: &str) {
        let (x, y) = area.middle();
        self.text((x, y - LINE / 2), "middle", text);
    }

    fn element(&mut self, element: impl Display) {
        let _ = writeln!(self.elements, "{element}");
    }

    /// Returns the file.
    pub fn finish(self, title: &str, width: i64, height: i64) -> String {
        let title = escaped(title);
        let page = format!("<rect class=\"page\" x=\"0\" y=\"0\" width=\"{width}\" height=\"{height}\"/>");
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n{page}\n{}</svg>\n",
            self.elements
        )
    }
}

/// Returns text without characters that have a meaning in XML, or that are no visible characters.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            ' '..='~' | '…' | '·' => out.push(letter),
            _ => out.push('?'),
        }
    }
    out
}

/// Red, green and blue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Colour(i64, i64, i64);

impl Colour {
    /// Returns the colour of a background for text, from 0 for the nearest to 1000 for the farthest.
    pub const fn of_cell(farness: i64) -> Self {
        if farness < 500 {
            Self::between(Self(150, 210, 150), Self(255, 247, 188), farness * 2)
        } else {
            Self::between(Self(255, 247, 188), Self(245, 160, 110), (farness - 500) * 2)
        }
    }

    /// Returns the colour of a line, from 0 for the nearest to 1000 for the farthest.
    pub const fn of_line(farness: i64) -> Self {
        Self::between(Self(38, 115, 77), Self(196, 120, 70), farness)
    }

    const fn between(near: Self, far: Self, thousandths: i64) -> Self {
        let Self(red, green, blue) = near;
        Self(
            red + (far.0 - red) * thousandths / 1000,
            green + (far.1 - green) * thousandths / 1000,
            blue + (far.2 - blue) * thousandths / 1000,
        )
    }
}

impl Display for Colour {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}
