//! The event of a driver. Its texts have a bounded length, so that every driver has its event.
use core::fmt::Display;

use arrayvec::ArrayString;
use driver_text::{one_line, text_as_one_line};

use crate::driver_line::{self, DriverLine, NAME, REASON};
use crate::{DriverStatus, Event, Left};

/// The text of what became of a driver, each part one line without control characters.
#[derive(Clone, Debug)]
pub struct DriverText {
    name: ArrayString<NAME>,
    status: DriverStatus,
    reason: ArrayString<REASON>,
    left: Left,
}

impl DriverText {
    fn new(name: &str, status: DriverStatus, reason: ArrayString<REASON>, left: Left) -> Self {
        Self { name: text_as_one_line(name), status, reason, left }
    }

    /// Writes the text of a driver that runs.
    #[must_use]
    pub fn loaded(name: &str) -> Self {
        Self::new(name, DriverStatus::Loaded, ArrayString::new(), Left::default())
    }

    /// Writes the text of a driver that has not started in time, with the reason.
    #[must_use]
    pub fn starting(name: &str, reason: &impl Display) -> Self {
        Self::new(name, DriverStatus::Starting, one_line(reason), Left::default())
    }

    /// Writes the text of a driver that was refused, with the reason and what it left.
    #[must_use]
    pub fn refused(name: &str, reason: &impl Display, left: Left) -> Self {
        Self::new(name, DriverStatus::Refused, one_line(reason), left)
    }

    /// Writes the text of a driver that has failed, with the reason and what it left.
    #[must_use]
    pub fn failed(name: &str, reason: &impl Display, left: Left) -> Self {
        Self::new(name, DriverStatus::Failed, one_line(reason), left)
    }

    /// Writes the text of a driver that was unloaded, with what it left.
    #[must_use]
    pub fn unloaded(name: &str, left: Left) -> Self {
        Self::new(name, DriverStatus::Unloaded, ArrayString::new(), left)
    }

    /// Returns the driver's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the reason why the driver was refused or has not started yet, or an empty text.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the driver's event.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        let (name, reason) = (self.name().into(), self.reason().into());
        Event::Driver { name, status: self.status, reason, left: self.left }
    }

    /// Returns the driver's event as a line of JSON with a newline, as [`write_line`](crate::write_line) writes it.
    #[must_use]
    pub fn line(&self) -> DriverLine {
        let mut line = DriverLine::new();
        driver_line::write(&mut line, &self.name, self.status, &self.reason, &self.left);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write_line;
    use alloc::string::String;

    #[test]
    fn whatever_the_texts_are_the_event_fits_into_a_kibibyte() {
        let most = Left { pages: u32::MAX, heap: u32::MAX, dma: u32::MAX, ..Left::default() };
        for letter in ["a", "\"", "\\", "\n", "\u{1}", "\u{9f}", "ö", "🦀"] {
            let long = letter.repeat(5000);
            let text = DriverText::refused(&long, &long, most);
            let mut buffer = [0; 1024];
            let line = write_line(&text.event(), &mut buffer).expect("every driver has its event");
            let read: Event<'_> = serde_json::from_slice(line).expect("valid JSON");
            assert_eq!(read, text.event());
            assert!(text.name().ends_with("...") && text.reason().ends_with("..."));
        }
    }

    #[test]
    fn a_short_text_is_whole_and_on_one_line() {
        let text = DriverText::refused("a\nb", &"no\rreason", Left::default());
        assert_eq!((text.name(), text.reason()), (r"a\nb", r"no\rreason"));
        assert_eq!(DriverText::loaded("disk").reason(), "");
    }

    #[test]
    fn the_longest_name_of_a_symbol_is_whole() {
        let reason: String = "unknown symbol ".chars().chain(core::iter::repeat_n('s', 255)).collect();
        assert_eq!(DriverText::refused("disk", &reason, Left::default()).reason(), reason);
    }
}
