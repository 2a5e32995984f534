//! The serial log, for people: writes `log` records to COM1. It works on every CPU, and in a panic.
use crate::arch::SerialPort;
use crate::sync::{Rank, SpinLock};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};
use log::{Level, LevelFilter, Log, Metadata, Record};

/// The target of a line that is printed without level and prefix.
pub const PLAIN: &str = "";

/// How often a CPU that goes down tries the port's lock before it writes without the lock.
const LAST_WORDS_PATIENCE: u32 = 1_000_000;

struct Console {
    port: SpinLock<Option<SerialPort>>,
    last_words: AtomicBool,
}

static CONSOLE: Console =
    Console { port: SpinLock::new(Rank::Console, None), last_words: AtomicBool::new(false) };

/// Opens the port and becomes the logger of the crate `log`. On a machine without the port nothing is printed.
pub fn init() {
    *CONSOLE.port.lock() = SerialPort::open(SerialPort::COM1);
    log::set_max_level(LevelFilter::Info);
    // The crate refuses only a second logger.
    let _ = log::set_logger(&CONSOLE);
}

/// Makes each later record go to the port even if the port's lock stays held. Its holder may have been stopped, or be this CPU.
pub fn begin_last_words() {
    CONSOLE.last_words.store(true, Ordering::SeqCst);
}

/// Waits until all bytes have left the port.
pub fn flush() {
    CONSOLE.with_port(SerialPort::flush);
}

impl Console {
    fn with_port(&self, work: impl FnOnce(&mut SerialPort)) {
        let held = if self.last_words.load(Ordering::SeqCst) {
            self.port.lock_within(LAST_WORDS_PATIENCE)
        } else {
            Some(self.port.lock())
        };
        match held {
            Some(mut port) => {
                if let Some(port) = port.as_mut() {
                    work(port);
                }
            }
            None => {
                if let Some(mut port) = SerialPort::already_open(SerialPort::COM1) {
                    work(&mut port);
                }
            }
        }
    }
}

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        self.with_port(|port| {
            let mut line = Line(port);
            // Writing to the port cannot fail. An error comes from a value's own formatting.
            let _ = if record.target() == PLAIN {
                writeln!(line, "{}", record.args())
            } else {
                writeln!(line, "{} {}: {}", level_word(record.level()), record.target(), record.args())
            };
        });
    }

    fn flush(&self) {
        flush();
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

/// Writes text to the port with a terminal's line ends.
struct Line<'a>(&'a mut SerialPort);

impl Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((line, after)) = rest.split_once('\n') {
            self.0.send(line.as_bytes());
            self.0.send(b"\r\n");
            rest = after;
        }
        self.0.send(rest.as_bytes());
        Ok(())
    }
}
