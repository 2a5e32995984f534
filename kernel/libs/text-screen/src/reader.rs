//! Reads the text in a picture of a screen: compares each cell with each letter. For tests.
use crate::Font;

/// How much of its range a channel may differ: less than a letter does from another one, more than 16 bits a pixel lose.
const TOLERANCE: i32 = 24;

/// A picture: red, green and blue of each pixel, line by line.
#[derive(Clone, Copy)]
pub struct Picture<'p> {
    /// The width in pixels.
    pub width: usize,
    /// The pixels.
    pub pixels: &'p [[u8; 3]],
}

impl Picture<'_> {
    fn pixel(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        if x < self.width { self.pixels.get(y * self.width + x).copied() } else { None }
    }
}

/// Returns the letter in the cell with this left upper corner, in any colour that is brighter than what is behind it, or `None` if
/// there is none. The upper right corner of a cell belongs to no letter.
#[must_use]
pub fn letter(picture: Picture<'_>, font: Font, (x, y): (usize, usize)) -> Option<u8> {
    // The brightest pixel has the text's colour.
    let corner = picture.pixel(x + font.width() - 1, y)?;
    let background = corner.map(i32::from);
    let pixel = |row: usize, column: usize| {
        let pixel = picture.pixel(x + column * font.scale, y + row * font.scale)?.map(i32::from);
        Some(core::array::from_fn::<i32, 3, _>(|channel| pixel[channel] - background[channel]))
    };
    let strength = |pixel: &[i32; 3]| pixel.iter().sum::<i32>();
    let (rows, columns) = (font.height() / font.scale, font.width() / font.scale);
    let mut brightest = [0; 3];
    for row in 0..rows {
        for column in 0..columns {
            let pixel = pixel(row, column)?;
            if strength(&pixel) > strength(&brightest) {
                brightest = pixel;
            }
        }
    }
    if strength(&brightest) < 3 * TOLERANCE {
        return Some(b' ');
    }
    (b'!'..=b'~')
        .filter_map(|letter| Some((difference(font, letter, brightest, &pixel)?, letter)))
        .min()
        .map(|it| it.1)
}

/// Returns how much a cell differs from a letter, or `None` if it is not this letter.
fn difference(
    font: Font,
    letter: u8,
    brightest: [i32; 3],
    pixel: &impl Fn(usize, usize) -> Option<[i32; 3]>,
) -> Option<i32> {
    let strongest = font.raster(letter).flatten().map(|intensity| i32::from(intensity >> 4)).max()?.max(1);
    let mut sum = 0;
    for (row, intensities) in font.raster(letter).enumerate() {
        for (column, intensity) in intensities.iter().enumerate() {
            let pixel = pixel(row, column)?;
            for channel in 0..3 {
                let expected = brightest[channel] * i32::from(intensity >> 4) / strongest;
                let difference = (pixel[channel] - expected).abs();
                if difference > TOLERANCE {
                    return None;
                }
                sum += difference;
            }
        }
    }
    Some(sum)
}
