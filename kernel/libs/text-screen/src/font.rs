//! The font: Noto Sans Mono in two sizes, each also enlarged for screens of many pixels.
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use crate::Mode;

/// From this width on a screen gets the larger letters.
const LARGE_FROM: usize = 1000;
/// A screen that is this many times as wide gets letters of so many times the size, up to a limit.
const SCALE_WIDTH: usize = 1280;
const LARGEST_SCALE: usize = 7;

/// A size of letters.
#[derive(Clone, Copy, Debug)]
pub struct Font {
    size: RasterHeight,
    /// Pixels of the screen for a pixel of the font, in both directions.
    pub(crate) scale: usize,
}

impl Font {
    /// Returns the font that is readable on this screen.
    #[must_use]
    pub const fn for_mode(mode: &Mode) -> Self {
        let size = if mode.width() < LARGE_FROM { RasterHeight::Size16 } else { RasterHeight::Size20 };
        let scale = mode.width() / SCALE_WIDTH;
        let scale = if scale > LARGEST_SCALE { LARGEST_SCALE } else { scale };
        Self { size, scale: if scale == 0 { 1 } else { scale } }
    }

    /// Returns the width of a letter's cell in pixels.
    #[must_use]
    pub const fn width(&self) -> usize {
        get_raster_width(FontWeight::Regular, self.size) * self.scale
    }

    /// Returns the height of a letter's cell in pixels.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.size.val() * self.scale
    }

    /// Returns the rows of a letter, each pixel from 0 for the background to 255. A byte that is no visible ASCII character is `?`.
    pub(crate) fn raster(&self, letter: u8) -> impl Iterator<Item = &'static [u8]> {
        let shown = if (b' '..=b'~').contains(&letter) { letter } else { b'?' };
        let raster = get_raster(char::from(shown), FontWeight::Regular, self.size);
        raster.into_iter().flat_map(|raster| raster.rows())
    }
}
