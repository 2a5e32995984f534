//! A line editor for a serial terminal. It does no input and no output, allocates nothing, and every state has a bounded size.
//!
//! - [`Keys`]: bytes of a terminal to keys.
//! - [`Editor`]: keys to a line, with history and completion.
//! - [`TypedLine`]: draws the line being typed below the lines of a log, and erases it when a line of the log comes.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod completion;
mod editor;
mod history;
mod keys;
mod line;
mod picture;
mod typed_line;

pub use completion::Completion;
pub use editor::{Action, Editor};
pub use keys::{Key, Keys};
pub use line::{LONGEST_LINE, Line};
pub use picture::{LONGEST_PICTURE, Picture, picture};
pub use typed_line::TypedLine;
