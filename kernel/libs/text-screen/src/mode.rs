//! The form of a screen's memory: its size, and how a pixel is encoded.
use crate::Colour;

/// The largest width and height. Larger ones are not those of a screen.
const LARGEST: usize = 1 << 14;

/// How a pixel is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PixelFormat {
    /// A byte of red, then green, then blue.
    Rgb,
    /// A byte of blue, then green, then red.
    Bgr,
    /// A byte of brightness.
    Gray,
    /// A little-endian number, in which the channels begin at these bits. A channel ends where the next one begins.
    Channels {
        /// The lowest bit of red.
        red: u8,
        /// The lowest bit of green.
        green: u8,
        /// The lowest bit of blue.
        blue: u8,
    },
}

/// A channel of a pixel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Channel {
    /// The lowest bit.
    shift: u32,
    /// The number of bits, at most 8.
    bits: u32,
}

/// The channels of a pixel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    Gray,
    Colours([Channel; 3]),
}

/// The form of a screen's memory. Every pixel lies in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode {
    width: usize,
    height: usize,
    stride: usize,
    bytes_per_pixel: usize,
    encoding: Encoding,
}

impl Mode {
    /// Returns the form of a memory of `length` bytes, with `stride` pixels from one line to the next. Returns `None` if not all pixels
    /// lie in it, or if the pixels have no such encoding.
    #[must_use]
    pub fn new(
        (width, height): (usize, usize),
        stride: usize,
        bytes_per_pixel: usize,
        format: PixelFormat,
        length: usize,
    ) -> Option<Self> {
        let is_plausible = (1..=LARGEST).contains(&width)
            && (1..=LARGEST).contains(&height)
            && (width..=2 * LARGEST).contains(&stride)
            && (1..=4).contains(&bytes_per_pixel);
        if !is_plausible || ((height - 1) * stride + width) * bytes_per_pixel > length {
            return None;
        }
        let bits = 8 * bytes_per_pixel as u32;
        let encoding = match format {
            PixelFormat::Gray => Encoding::Gray,
            PixelFormat::Rgb => channels([0, 8, 16], bits)?,
            PixelFormat::Bgr => channels([16, 8, 0], bits)?,
            PixelFormat::Channels { red, green, blue } => channels([red, green, blue].map(u32::from), bits)?,
        };
        Some(Self { width, height, stride, bytes_per_pixel, encoding })
    }

    /// Returns the width in pixels.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Returns the height in pixels.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.height
    }

    /// Returns the bytes of a pixel.
    pub(crate) const fn bytes_per_pixel(&self) -> usize {
        self.bytes_per_pixel
    }

    /// Returns the offset of a pixel's first byte.
    pub(crate) const fn offset(&self, x: usize, y: usize) -> usize {
        (y * self.stride + x) * self.bytes_per_pixel
    }

    /// Returns a pixel's bytes, of which the first [`Mode::bytes_per_pixel`] count.
    pub(crate) fn encode(&self, colour: Colour) -> [u8; 4] {
        let Colour(red, green, blue) = colour;
        match self.encoding {
            // The weights of the eye, in 256ths.
            Encoding::Gray => {
                let sum = u32::from(red) * 77 + u32::from(green) * 150 + u32::from(blue) * 29;
                [(sum >> 8) as u8, 0, 0, 0]
            }
            Encoding::Colours(channels) => {
                let parts = channels.iter().zip([red, green, blue]);
                let bits =
                    parts.map(|(channel, value)| u32::from(value) >> (8 - channel.bits) << channel.shift);
                bits.fold(0, |pixel, bits| pixel | bits).to_le_bytes()
            }
        }
    }
}

/// Returns the channels that begin at these bits of a pixel, or `None` if two begin at the same, or one outside.
fn channels(starts: [u32; 3], bits: u32) -> Option<Encoding> {
    let channel = |start: u32| {
        let end = starts.iter().copied().filter(|&other| other > start).min().unwrap_or(bits);
        let is_alone = starts.iter().filter(|&&other| other == start).count() == 1;
        (is_alone && start < bits).then(|| Channel { shift: start, bits: (end - start).min(8) })
    };
    Some(Encoding::Colours([channel(starts[0])?, channel(starts[1])?, channel(starts[2])?]))
}
