//! The kernel's parameters: words separated by spaces.
//!
//! The caller receives each unknown word and names it in a warning. An unknown word has no other effect. Words that begin with `driver.` are
//! parameters of drivers, which read them themselves: [`of_driver`].
#![no_std]
#![forbid(unsafe_code)]

mod of_drivers;
mod restarts;

pub use of_drivers::{of_driver, of_no_driver};
pub use restarts::{RESTART, restarts};

/// The values of all parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parameters {
    /// `numa=off`, `numa=fake=N` or `numa=fake=SIZE`: the origin of the nodes.
    pub numa: Numa,
    /// `log=LEVEL`: the least severe level that is logged.
    pub log: LogLevel,
    /// `selftest`: run the self-tests.
    pub selftest: bool,
    /// `load`: run the load test of the scheduler.
    pub load: bool,
    /// `stress-pages=COUNT`: run this many random allocations and frees of pages on all CPUs at once.
    pub stress_pages: Option<u64>,
    /// `stress-heap=COUNT`: run this many random allocations and frees of heap blocks on all CPUs at once.
    pub stress_heap: Option<u64>,
    /// `move-interrupts`: move the interrupts of devices from CPU to CPU all the time.
    pub move_interrupts: bool,
    /// `fail-allocation=K`: make the K-th allocation of pages fail, counted from 1.
    pub fail_allocation: Option<u64>,
    /// `fail-heap=K`: make the K-th allocation from the heaps fail, counted from 1.
    pub fail_heap: Option<u64>,
    /// `drivers=strict`: a driver that fails makes the verdict failure.
    pub strict: bool,
    /// `patience=SECONDS`: how many seconds the kernel waits for a driver's functions before it goes on, at most [`MOST_PATIENCE`].
    pub patience: Option<u32>,
    /// `watchdog=fail` or `watchdog=off`: what happens to code of a driver that keeps a CPU too long.
    pub watchdog: Watchdog,
    /// `console=MODE`: what the console on COM1 does.
    pub console: Console,
    /// `report`: write what a bug report needs.
    pub report: bool,
    /// `protection=on` or `protection=off`: whether protection keys keep drivers from writing memory that is not theirs.
    pub protection: Protection,
    /// `bench`: run the benchmarks.
    pub bench: bool,
    /// `exit`: report the verdict and stop the machine after everything that the parameters request.
    pub exit: bool,
    /// `fault=KIND`: cause a fault after boot, so that a test can check the report.
    pub fault: Option<Fault>,
}

/// The highest number of seconds for which the kernel waits for a driver: a day.
pub const MOST_PATIENCE: u32 = 86_400;

/// What the console on COM1 does. There is none with `exit`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Console {
    /// It shows a prompt once Enter is pressed.
    #[default]
    OnEnter,
    /// `terminal`: a terminal is there, and it shows a prompt at once.
    Terminal,
    /// `plain`: a program is there. It shows no prompt and no line being typed, only what commands write.
    Plain,
    /// `off`: there is none.
    Off,
}

/// What happens to code of a driver that keeps a CPU too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Watchdog {
    /// The log names it.
    #[default]
    Report,
    /// `fail`: its driver has failed.
    Fail,
    /// `off`: nothing. No CPU watches another one.
    Off,
}

/// Whether protection keys keep drivers from writing memory that is not theirs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protection {
    /// They do, unless the benchmarks run.
    #[default]
    Default,
    /// `on`: they do, if the CPU has such keys.
    On,
    /// `off`: drivers may write all memory.
    Off,
}

/// The origin of the nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Numa {
    /// Firmware's tables.
    #[default]
    FromFirmware,
    /// `off`: one node for the whole machine, without regard to firmware.
    Off,
    /// `fake=N`: this many nodes with equal shares of the machine, without regard to firmware. The number is at least 1.
    FakeCount(u64),
    /// `fake=SIZE`: nodes with about this many bytes each, without regard to firmware. The size is at least 1.
    ///
    /// The parameter is a number and one of the letters K, M, G and T, in upper or lower case.
    FakeSizeBytes(u64),
}

/// A log level. Each level includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogLevel {
    /// `error`: failures.
    Error,
    /// `warn`: problems that the kernel works around.
    Warn,
    /// `info`: the steps of the boot.
    #[default]
    Info,
    /// `debug`: details for kernel developers.
    Debug,
    /// `trace`: all details.
    Trace,
}

/// A fault to cause on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// `panic`: a panic in the kernel's own code.
    Panic,
    /// `page`: a write to an unmapped address.
    Page,
    /// `stack`: a stack overflow into the guard area.
    Stack,
    /// `invalid`: an invalid instruction.
    Invalid,
    /// `fpu`: an instruction of the FPU.
    Fpu,
    /// `other-cpu`: a page fault on a CPU other than the boot CPU.
    OtherCpu,
    /// `interrupt`: a page fault in the handler of an interrupt.
    Interrupt,
    /// `log`: a page fault while the log's port is locked.
    Log,
    /// `nested`: a non-maskable interrupt on a CPU whose own data are out of reach, so that its report faults.
    Nested,
    /// `together`: a panic on one CPU and a page fault on another, at the same time.
    Together,
    /// `outside`: none. The kernel waits half a minute for a fault from outside, such as a machine check.
    Outside,
    /// `wait`: a thread that waits while it holds a spin lock. Only a kernel that checks itself notices.
    Wait,
}

impl Parameters {
    /// Parses the words of `line`. Of two contradicting words, the later one applies.
    ///
    /// Calls `unknown` with each unknown word and with each word that has an invalid value.
    pub fn parse<'a>(line: &'a str, mut unknown: impl FnMut(&'a str)) -> Self {
        let mut parameters = Self::default();
        for word in line.split_ascii_whitespace() {
            if parameters.apply(word).is_none() {
                unknown(word);
            }
        }
        parameters
    }

    /// Applies one word, or returns `None` if it is unknown or has an invalid value.
    fn apply(&mut self, word: &str) -> Option<()> {
        if of_drivers::is_of_driver(word) {
            return Some(());
        }
        match word.split_once('=') {
            None => match word {
                "selftest" => self.selftest = true,
                "load" => self.load = true,
                "report" => self.report = true,
                "bench" => self.bench = true,
                "move-interrupts" => self.move_interrupts = true,
                "exit" => self.exit = true,
                _ => return None,
            },
            Some(("numa", nodes)) => self.numa = Numa::from_word(nodes)?,
            Some(("log", level)) => self.log = LogLevel::from_word(level)?,
            Some(("stress-pages", count)) => self.stress_pages = Some(positive(count)?),
            Some(("stress-heap", count)) => self.stress_heap = Some(positive(count)?),
            Some(("fail-allocation", which)) => self.fail_allocation = Some(positive(which)?),
            Some(("fail-heap", which)) => self.fail_heap = Some(positive(which)?),
            Some(("drivers", "strict")) => self.strict = true,
            Some(("patience", seconds)) => self.patience = Some(patience(seconds)?),
            Some(("console", mode)) => self.console = Console::from_word(mode)?,
            Some(("watchdog", what)) => self.watchdog = Watchdog::from_word(what)?,
            Some(("protection", "on")) => self.protection = Protection::On,
            Some(("protection", "off")) => self.protection = Protection::Off,
            Some(("fault", kind)) => self.fault = Some(Fault::from_word(kind)?),
            Some(_) => return None,
        }
        Some(())
    }
}

/// Returns the words in the first `longest` bytes of `line`, and the word that is cut there, or no bytes if none is. Of a longer
/// line, `line` has at least one byte more.
#[must_use]
pub fn whole_words(line: &[u8], longest: usize) -> (&[u8], &[u8]) {
    match line.get(longest) {
        Some(next) if !next.is_ascii_whitespace() => {
            let first = &line[..longest];
            let end = first.iter().rposition(u8::is_ascii_whitespace).map_or(0, |space| space + 1);
            first.split_at(end)
        }
        _ => (&line[..longest.min(line.len())], &[]),
    }
}

impl Numa {
    fn from_word(word: &str) -> Option<Self> {
        if word == "off" {
            return Some(Self::Off);
        }
        let number = word.strip_prefix("fake=")?;
        let shift = match number.bytes().next_back()?.to_ascii_uppercase() {
            b'K' => 10,
            b'M' => 20,
            b'G' => 30,
            b'T' => 40,
            _ => return Some(Self::FakeCount(positive(number)?)),
        };
        let size = positive(&number[..number.len() - 1])?;
        size.checked_mul(1 << shift).map(Self::FakeSizeBytes)
    }
}

/// Parses a number of seconds from 1 to [`MOST_PATIENCE`].
fn patience(word: &str) -> Option<u32> {
    positive(word)?.try_into().ok().filter(|&seconds| seconds <= MOST_PATIENCE)
}

/// Parses a number above 0 that consists only of digits.
fn positive(word: &str) -> Option<u64> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|&number| digits && number > 0)
}

impl Console {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "terminal" => Self::Terminal,
            "plain" => Self::Plain,
            "off" => Self::Off,
            _ => return None,
        })
    }
}

impl Watchdog {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "fail" => Self::Fail,
            "off" => Self::Off,
            _ => return None,
        })
    }
}

impl LogLevel {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => return None,
        })
    }
}

impl Fault {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "panic" => Self::Panic,
            "page" => Self::Page,
            "stack" => Self::Stack,
            "invalid" => Self::Invalid,
            "fpu" => Self::Fpu,
            "other-cpu" => Self::OtherCpu,
            "interrupt" => Self::Interrupt,
            "log" => Self::Log,
            "nested" => Self::Nested,
            "together" => Self::Together,
            "outside" => Self::Outside,
            "wait" => Self::Wait,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn parse(line: &str) -> (Parameters, Vec<&str>) {
        let mut unknown = Vec::new();
        let parameters = Parameters::parse(line, |word| unknown.push(word));
        (parameters, unknown)
    }

    #[test]
    fn without_words_all_parameters_have_their_defaults() {
        assert_eq!(parse(" \t\n"), (Parameters::default(), Vec::new()));
    }

    #[test]
    fn every_known_word_is_understood() {
        let (parameters, unknown) = parse(
            "numa=off log=trace selftest load driver.nvme.queues=2 stress-pages=9 stress-heap=8 fail-allocation=7 fail-heap=5 drivers=strict patience=60 watchdog=fail protection=off console=plain report bench move-interrupts exit fault=page",
        );
        assert!(unknown.is_empty());
        let expected = Parameters {
            numa: Numa::Off,
            log: LogLevel::Trace,
            selftest: true,
            load: true,
            stress_pages: Some(9),
            stress_heap: Some(8),
            move_interrupts: true,
            fail_allocation: Some(7),
            fail_heap: Some(5),
            strict: true,
            patience: Some(60),
            watchdog: Watchdog::Fail,
            console: Console::Plain,
            report: true,
            protection: Protection::Off,
            bench: true,
            exit: true,
            fault: Some(Fault::Page),
        };
        assert_eq!(parameters, expected);
    }

    #[test]
    fn unknown_words_and_invalid_values_are_returned_and_have_no_effect() {
        let (parameters, unknown) = parse(
            "selftest=1 colour exit log=loud watchdog=dog console=tv drivers=lax protection=maybe numa= fault=fire fail-allocation=0 =",
        );
        assert_eq!(
            unknown,
            [
                "selftest=1",
                "colour",
                "log=loud",
                "watchdog=dog",
                "console=tv",
                "drivers=lax",
                "protection=maybe",
                "numa=",
                "fault=fire",
                "fail-allocation=0",
                "=",
            ]
        );
        assert_eq!(parameters, Parameters { exit: true, ..Parameters::default() });
    }

    #[test]
    fn fake_nodes_are_requested_by_number_or_by_size() {
        for (line, numa) in [
            ("numa=fake=4", Numa::FakeCount(4)),
            ("numa=fake=18446744073709551615", Numa::FakeCount(u64::MAX)),
            ("numa=fake=64K", Numa::FakeSizeBytes(64 << 10)),
            ("numa=fake=128m", Numa::FakeSizeBytes(128 << 20)),
            ("numa=fake=1G", Numa::FakeSizeBytes(1 << 30)),
            ("numa=fake=2t", Numa::FakeSizeBytes(2 << 40)),
            ("numa=off numa=fake=2", Numa::FakeCount(2)),
            ("numa=fake=2 numa=off", Numa::Off),
        ] {
            assert_eq!(parse(line), (Parameters { numa, ..Parameters::default() }, Vec::new()), "{line}");
        }
    }

    #[test]
    fn an_invalid_number_of_fake_nodes_is_returned() {
        let words = "numa=fake numa=fake= numa=fake=0 numa=fake=0M numa=fake=M numa=fake=-1 numa=fake=+1 numa=fake=4U \
                     numa=fake=0x4 numa=fake=1.5G numa=fake=\u{b9} numa=fake=18446744073709551616 numa=fake=16777216T \
                     numa=fake=4=4 numa=fake=1Mi numa=on";
        let (parameters, unknown) = parse(words);
        assert_eq!(unknown, words.split(' ').collect::<Vec<_>>());
        assert_eq!(parameters, Parameters::default());
    }

    #[test]
    fn a_line_that_is_too_long_loses_the_word_that_is_cut() {
        for (line, longest, words, cut) in [
            ("", 4, "", ""),
            ("log=info", 8, "log=info", ""),
            ("exit numa=fake=64M", 16, "exit ", "numa=fake=6"),
            ("exit numa=off", 4, "exit", ""),
            ("exit numa=off", 5, "exit ", ""),
            ("exit\tnuma=off", 6, "exit\t", "n"),
            ("one-word-alone", 8, "", "one-word"),
        ] {
            assert_eq!(whole_words(line.as_bytes(), longest), (words.as_bytes(), cut.as_bytes()), "{line}");
        }
    }

    #[test]
    fn the_later_of_two_contradicting_words_applies() {
        assert_eq!(parse("log=debug log=error").0.log, LogLevel::Error);
    }
}
