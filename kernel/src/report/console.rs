//! The log, for people: writes `log` records to COM1 and to the screen. It works on every CPU, and in a panic.
use super::event_stream;
use super::output::Output;
use super::screen;
use crate::arch::SerialPort;
use crate::sync::Rank;
use arrayvec::ArrayVec;
use core::fmt::{self, Write};
use driver_text::cut;
use events::Event;
use log::{Level, LevelFilter, Log, Metadata, Record};
use text_screen::Tone;

/// The target of a line that is printed without level and prefix.
pub const PLAIN: &str = "";

/// The most bytes of one record. It has room for the longest text that `Kernel_Log` takes.
const LONGEST: usize = 4608;

/// Where the log goes.
pub static OUTPUT: Output = Output::new(Rank::Console, SerialPort::COM1);

struct Console;

/// Opens the port and becomes the logger of the crate `log`. On a machine without the port, only the screen shows the log.
pub fn init() {
    OUTPUT.open();
    log::set_max_level(LevelFilter::Info);
    // The crate refuses only a second logger.
    let _ = log::set_logger(&Console);
}

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || !(OUTPUT.is_open() || screen::is_on()) {
            return;
        }
        let lost = OUTPUT.take_lost();
        if lost > 0 && !write(Level::Warn, "log", format_args!("{lost} lines were lost: the buffer was full"))
        {
            OUTPUT.add_lost(lost);
        }
        if !write(record.level(), record.target(), *record.args()) {
            OUTPUT.add_lost(1);
        }
        if OUTPUT.has_just_stuck() {
            report_stuck();
        }
    }

    fn flush(&self) {}
}

/// Says in the event stream why the log may have ended.
#[cold]
fn report_stuck() {
    event_stream::send(&Event::Finding {
        table: "COM1".into(),
        offset: 0,
        rule: "port-stuck".into(),
        action: "dropped".into(),
        what: "the port takes no bytes; lines of the log are dropped until it does".into(),
    });
}

/// Writes a line. Returns false if it is dropped. Not inlined: it has the longest line on its stack.
#[inline(never)]
fn write(level: Level, target: &str, text: fmt::Arguments<'_>) -> bool {
    let mut line = Line(ArrayVec::new());
    let written = if target == PLAIN {
        line.write_fmt(text)
    } else {
        line.write_fmt(format_args!("{} {target}: {text}", level_word(level)))
    };
    // A value's own formatting may fail, too. The line then ends where it failed.
    line.end(written.is_err());
    screen::write(&line.0, tone(level));
    OUTPUT.write(&line.0)
}

/// Returns the tone of lines of this level on the screen.
fn tone(level: Level) -> Tone {
    match level {
        Level::Error => Tone::Error,
        Level::Warn => Tone::Warning,
        _ => Tone::Normal,
    }
}

/// Returns the level's word. All have five letters, so that the texts stand in a column.
fn level_word(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN ",
        Level::Info => "INFO ",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    }
}

/// A record's text with a terminal's line ends, cut to [`LONGEST`] bytes.
struct Line(ArrayVec<u8, LONGEST>);

impl Line {
    const LINE_END: &[u8] = b"\r\n";
    const CUT: &[u8] = b"...";
    /// The bytes that [`Line::end`] may add.
    const END: usize = Self::CUT.len() + Self::LINE_END.len();

    /// Appends the text, or as many of its characters as fit.
    fn push(&mut self, text: &[u8]) -> fmt::Result {
        if text.len() <= self.room() {
            return self.0.try_extend_from_slice(text).map_err(|_| fmt::Error);
        }
        // There is room for the part, so this does not fail.
        let _ = self.0.try_extend_from_slice(cut(text, self.room()));
        Err(fmt::Error)
    }

    /// Returns the number of bytes that fit before the end.
    fn room(&self) -> usize {
        self.0.remaining_capacity().saturating_sub(Self::END)
    }

    fn end(&mut self, is_cut: bool) {
        // `push` has kept room for both.
        let _ = self.0.try_extend_from_slice(if is_cut { Self::CUT } else { b"" });
        let _ = self.0.try_extend_from_slice(Self::LINE_END);
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((line, after)) = rest.split_once('\n') {
            self.push(line.as_bytes())?;
            if self.room() < Self::LINE_END.len() {
                return Err(fmt::Error);
            }
            self.push(Self::LINE_END)?;
            rest = after;
        }
        self.push(rest.as_bytes())
    }
}
