//! Colours, and the tones of text.

/// Red, green and blue, each from 0 to 255.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Colour(pub u8, pub u8, pub u8);

/// The colour behind all text.
pub const BACKGROUND: Colour = Colour(16, 18, 24);

impl Colour {
    /// Returns the colour between [`BACKGROUND`] and this one, from 0 for the background to 15 for this colour.
    #[must_use]
    pub const fn faded(self, step: u8) -> Self {
        self.faded_into(BACKGROUND, step)
    }

    /// Returns the colour between another one and this one, from 0 for the other one to 15 for this colour.
    #[must_use]
    pub const fn faded_into(self, other: Self, step: u8) -> Self {
        const fn mix(from: u8, to: u8, step: u8) -> u8 {
            let (from, to, step) = (from as i32, to as i32, step as i32);
            (from + (to - from) * step / 15) as u8
        }
        Self(mix(other.0, self.0, step), mix(other.1, self.1, step), mix(other.2, self.2, step))
    }
}

/// The importance of a line, which has a colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tone {
    /// Text as usual.
    #[default]
    Normal,
    /// A warning.
    Warning,
    /// An error.
    Error,
}

impl Tone {
    /// Returns the colour of the text.
    #[must_use]
    pub const fn colour(self) -> Colour {
        match self {
            Self::Normal => Colour(216, 220, 226),
            Self::Warning => Colour(240, 200, 90),
            Self::Error => Colour(255, 120, 110),
        }
    }
}
