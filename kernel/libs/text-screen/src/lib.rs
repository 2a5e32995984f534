//! Text on a screen of pixels: a buffer of lines, a font, and a painter for any pixel format.
//!
//! The screen's memory is only written, because reads of it are slow. [`TextBuffer`] knows what each row shows, so a change redraws the
//! rows that differ. [`reader`] finds the text in a picture of the screen, for tests.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod colour;
mod font;
mod machine_picture;
mod mode;
mod painter;
pub mod reader;
mod surface;
#[cfg(test)]
mod tests;
mod text_buffer;

pub use colour::{BACKGROUND, Colour, Tone};
pub use font::Font;
pub use machine_picture::{FULL_LOAD, MachinePicture, NodeLook};
pub use mode::{Mode, PixelFormat};
pub use painter::{Painter, PixelArea};
pub use surface::Surface;
pub use text_buffer::{MOST_COLUMNS, MOST_ROWS, NextRow, RowToDraw, ScreenLine, TextBuffer};
