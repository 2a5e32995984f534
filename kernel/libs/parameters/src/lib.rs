//! The kernel's parameters: words separated by spaces, each switching one thing.
//!
//! An unknown word is handed back to the caller, who names it in a warning; it changes nothing.
#![no_std]
#![forbid(unsafe_code)]

/// What the parameters ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parameters {
    /// `numa=off`: treat the machine as one node, whatever firmware says.
    pub numa_off: bool,
    /// `log=LEVEL`: how much is logged.
    pub log: LogLevel,
    /// `selftest`: prove on this machine that memory is where it should be.
    pub selftest: bool,
    /// `load`: put the scheduler under load, which takes a while.
    pub load: bool,
    /// `bench`: run the benchmarks.
    pub bench: bool,
    /// `exit`: report the verdict and stop the machine when all that was asked for is done.
    pub exit: bool,
    /// `fault=KIND`: break down on purpose when boot is complete, so that a test can watch how.
    pub fault: Option<Fault>,
}

/// How much is logged; each level includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogLevel {
    /// `error`: what failed.
    Error,
    /// `warn`: what was wrong and could be worked around.
    Warn,
    /// `info`: the story of the boot.
    #[default]
    Info,
    /// `debug`: what a kernel developer wants to know.
    Debug,
    /// `trace`: everything.
    Trace,
}

/// A breakdown on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// `panic`: a panic in the kernel's own code.
    Panic,
    /// `page`: a write to an address where nothing is mapped.
    Page,
    /// `stack`: a stack that overflows into its guard page.
    Stack,
    /// `invalid`: an invalid instruction.
    Invalid,
}

impl Parameters {
    /// Reads the words of `line`; where two contradict, the later one holds. `unknown` is called with each word that is
    /// not known, or whose value is not.
    pub fn parse<'a>(line: &'a str, mut unknown: impl FnMut(&'a str)) -> Self {
        let mut parameters = Self::default();
        for word in line.split_ascii_whitespace() {
            if parameters.apply(word).is_none() {
                unknown(word);
            }
        }
        parameters
    }

    fn apply(&mut self, word: &str) -> Option<()> {
        match word.split_once('=') {
            None => match word {
                "selftest" => self.selftest = true,
                "load" => self.load = true,
                "bench" => self.bench = true,
                "exit" => self.exit = true,
                _ => return None,
            },
            Some(("numa", "off")) => self.numa_off = true,
            Some(("log", level)) => self.log = LogLevel::from_word(level)?,
            Some(("fault", kind)) => self.fault = Some(Fault::from_word(kind)?),
            Some(_) => return None,
        }
        Some(())
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
    fn no_words_ask_for_nothing() {
        assert_eq!(parse(" \t\n"), (Parameters::default(), Vec::new()));
    }

    #[test]
    fn every_known_word_is_understood() {
        let (parameters, unknown) = parse("numa=off log=trace selftest load bench exit fault=page");
        assert!(unknown.is_empty());
        let expected = Parameters {
            numa_off: true,
            log: LogLevel::Trace,
            selftest: true,
            load: true,
            bench: true,
            exit: true,
            fault: Some(Fault::Page),
        };
        assert_eq!(parameters, expected);
    }

    #[test]
    fn unknown_words_and_values_are_handed_back_and_change_nothing() {
        let (parameters, unknown) = parse("selftest=1 colour exit log=loud numa= fault=fire =");
        assert_eq!(unknown, ["selftest=1", "colour", "log=loud", "numa=", "fault=fire", "="]);
        assert_eq!(parameters, Parameters { exit: true, ..Parameters::default() });
    }

    #[test]
    fn the_later_of_two_contradicting_words_holds() {
        assert_eq!(parse("log=debug log=error").0.log, LogLevel::Error);
    }
}
