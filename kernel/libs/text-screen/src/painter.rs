//! Paints rectangles, lines and letters into the memory of a screen.
use crate::{BACKGROUND, Colour, Font, Mode, Surface};

/// The most bytes that are written at once.
const CHUNK: usize = 256;

/// A rectangle in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PixelArea {
    /// The distance from the left edge of the screen.
    pub x: usize,
    /// The distance from the upper edge.
    pub y: usize,
    /// The width.
    pub width: usize,
    /// The height.
    pub height: usize,
}

/// Paints on a screen. What lies outside of the screen is left out.
pub struct Painter<'s> {
    surface: &'s mut dyn Surface,
    mode: Mode,
}

impl<'s> Painter<'s> {
    /// Returns a painter for a memory of this form.
    pub const fn new(surface: &'s mut dyn Surface, mode: Mode) -> Self {
        Self { surface, mode }
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, area: PixelArea, colour: Colour) {
        let size = self.mode.bytes_per_pixel();
        let pixel = self.mode.encode(colour);
        let mut chunk = [0; CHUNK];
        let whole = CHUNK / size * size;
        chunk[..whole].chunks_exact_mut(size).for_each(|bytes| bytes.copy_from_slice(&pixel[..size]));
        let right = area.x.saturating_add(area.width).min(self.mode.width());
        let bottom = area.y.saturating_add(area.height).min(self.mode.height());
        for y in area.y..bottom {
            let (mut offset, end) = (self.mode.offset(area.x, y), self.mode.offset(right, y));
            while offset < end {
                let count = whole.min(end - offset);
                self.surface.write(offset, &chunk[..count]);
                offset += count;
            }
        }
    }

    /// Draws the edge of a rectangle, a pixel wide.
    pub fn frame(&mut self, area: PixelArea, colour: Colour) {
        let PixelArea { x, y, width, height } = area;
        let (right, bottom) = ((x + width).saturating_sub(1), (y + height).saturating_sub(1));
        self.fill(PixelArea { height: 1, ..area }, colour);
        self.fill(PixelArea { y: bottom, height: 1, ..area }, colour);
        self.fill(PixelArea { width: 1, ..area }, colour);
        self.fill(PixelArea { x: right, width: 1, ..area }, colour);
    }

    /// Draws a line between two points, this many pixels thick.
    pub fn line(&mut self, from: (usize, usize), to: (usize, usize), thickness: usize, colour: Colour) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        for step in 0..=steps {
            let at = |from: usize, to: usize| (from * (steps - step) + to * step) / steps;
            let (x, y) = (at(from.0, to.0), at(from.1, to.1));
            self.fill(PixelArea { x, y, width: thickness, height: thickness }, colour);
        }
    }

    /// Writes letters on the background, the first one with this left upper corner.
    pub fn text(&mut self, font: Font, at: (usize, usize), colour: Colour, text: &[u8]) {
        self.text_on(font, at, (colour, BACKGROUND), text);
    }

    /// Writes letters of the first colour on the second one, the first letter with this left upper corner.
    pub fn text_on(&mut self, font: Font, (x, y): (usize, usize), colours: (Colour, Colour), text: &[u8]) {
        // A pixel for each sixteenth between the two colours.
        let mut shades = [[0; 4]; 16];
        for (step, shade) in (0..).zip(&mut shades) {
            *shade = self.mode.encode(colours.0.faded_into(colours.1, step));
        }
        for (index, letter) in text.iter().enumerate() {
            self.letter(font, (x + index * font.width(), y), &shades, *letter);
        }
    }

    fn letter(&mut self, font: Font, (x, y): (usize, usize), shades: &[[u8; 4]; 16], letter: u8) {
        let (size, scale) = (self.mode.bytes_per_pixel(), font.scale);
        if x + font.width() > self.mode.width() || y + font.height() > self.mode.height() {
            return;
        }
        let mut line = [0; CHUNK];
        for (row, pixels) in font.raster(letter).enumerate() {
            let mut end = 0;
            for intensity in pixels {
                let shade = shades[usize::from(intensity >> 4)];
                for _ in 0..scale {
                    // The widest letter has 9 pixels, is enlarged 7 times, and has 4 bytes a pixel, so this has room.
                    if let Some(part) = line.get_mut(end..end + size) {
                        part.copy_from_slice(&shade[..size]);
                        end += size;
                    }
                }
            }
            for repeat in 0..scale {
                self.surface.write(self.mode.offset(x, y + row * scale + repeat), &line[..end]);
            }
        }
    }

    /// Draws a row of a text: the letters, then background over `cleared` further cells.
    pub fn row(&mut self, font: Font, (x, y): (usize, usize), colour: Colour, text: &[u8], cleared: usize) {
        self.text(font, (x, y), colour, text);
        let width = cleared.saturating_mul(font.width());
        self.fill(
            PixelArea { x: x + text.len() * font.width(), y, width, height: font.height() },
            BACKGROUND,
        );
    }
}
