//! The text on a machine's screen, read from pictures.
use std::time::Duration;

use boot::{Machine, Screenshot};
use text_screen::reader::{Picture, letter};
use text_screen::{Font, Mode, PixelFormat};

/// The time limit of a boot that is watched.
pub const LIMIT: Duration = Duration::from_secs(180);
/// The beginning of the last line of a boot.
pub const COMPLETE: &str = "INFO  boot: complete, ";

/// Returns the form of the screen.
pub fn mode(shot: &Screenshot) -> Mode {
    let size = (shot.width, shot.height);
    Mode::new(size, shot.width, 4, PixelFormat::Bgr, usize::MAX).expect("a screen's size")
}

/// Returns the font and the number of columns and rows of a screen of this size.
pub fn layout(shot: &Screenshot) -> (Font, usize, usize) {
    let font = Font::for_mode(&mode(shot));
    (font, shot.width / font.width(), shot.height / font.height())
}

/// Returns the first `most` letters of each row. A cell with anything else is `\u{fffd}`.
pub fn starts(shot: &Screenshot, most: usize) -> Vec<String> {
    let (font, columns, rows) = layout(shot);
    let picture = Picture { width: shot.width, pixels: &shot.pixels };
    let cell = |row, column| {
        let at = (column * font.width(), row * font.height());
        letter(picture, font, at).map_or('\u{fffd}', char::from)
    };
    let row = |row| (0..columns.min(most)).map(|column| cell(row, column)).collect::<String>();
    (0..rows).map(|number| row(number).trim_end().to_owned()).collect()
}

/// Returns the text of each row.
pub fn rows(shot: &Screenshot) -> Vec<String> {
    starts(shot, usize::MAX)
}

/// Returns true if a row begins in this way.
pub fn shows(shot: &Screenshot, start: &str) -> bool {
    starts(shot, start.len()).iter().any(|row| row == start.trim_end())
}

/// Boots until the screen shows a row that begins in this way, and nothing changes any more.
#[track_caller]
pub fn watch(machine: &Machine, start: &str) -> (Screenshot, String) {
    let mut last = Vec::new();
    let is_still = |shot: &Screenshot| {
        let rows = rows(shot);
        let is_there = rows.iter().any(|row| row.starts_with(start)) && rows == last;
        last = rows;
        is_there
    };
    machine.watch_screen(LIMIT, is_still).unwrap()
}
