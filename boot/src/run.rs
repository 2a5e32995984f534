//! The outcome of a boot: the verdict, the serial log and the events.
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use anyhow::{Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::event::{Cpu, Driver, Finding, Test, Topology};

/// QEMU's exit status for the value 0x10 written to `isa-debug-exit`.
const SUCCESS: i32 = 33;
/// QEMU's exit status for the value 0x11.
const FAILURE: i32 = 35;

/// How a boot ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The kernel reported success.
    Success,
    /// The kernel reported failure.
    Failure,
    /// The machine stopped without a report of the kernel: it was reset, or QEMU refused its arguments.
    None(ExitStatus),
    /// The machine was still running at the time limit.
    TimedOut,
}

impl Verdict {
    /// Returns true if QEMU itself has crashed, which says nothing about the kernel. QEMU 7.2 does when a device begins or ceases to decode its
    /// memory while another CPU writes to registers.
    #[must_use]
    pub fn is_crash_of_qemu(self) -> bool {
        matches!(self, Self::None(status) if status.signal().is_some())
    }

    /// Turns every verdict but success into an error.
    ///
    /// # Errors
    /// The verdict is not success.
    pub fn judge(self) -> Result<()> {
        ensure!(self == Self::Success, "{self}");
        Ok(())
    }
}

impl From<ExitStatus> for Verdict {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(SUCCESS) => Self::Success,
            Some(FAILURE) => Self::Failure,
            _ => Self::None(status),
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Success => write!(out, "the kernel reported success"),
            Self::Failure => write!(out, "the kernel reported failure"),
            Self::None(status) => write!(out, "stopped without a verdict of the kernel ({status})"),
            Self::TimedOut => write!(out, "still running when its time was up"),
        }
    }
}

/// A boot that has ended, as a test sees it.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub verdict: Verdict,
    /// The output of COM1.
    pub serial: String,
    /// The output of COM2, a JSON object a line.
    pub events: Vec<Value>,
    /// The standard error of QEMU.
    pub complaints: String,
}

impl Run {
    /// Returns this run if it has the expected verdict.
    ///
    /// # Panics
    /// The verdict is another. The message contains the serial log.
    #[must_use]
    #[track_caller]
    pub fn expect(self, verdict: Verdict) -> Self {
        assert!(self.verdict == verdict, "{}\n{}\n{}", self.verdict, self.serial, self.complaints);
        self
    }

    /// Returns the events of one kind, in their order.
    ///
    /// # Panics
    /// An event of that kind lacks a field.
    #[must_use]
    #[track_caller]
    pub fn events_of<T: DeserializeOwned>(&self, kind: &str) -> Vec<T> {
        let events = self.events.iter().filter(|event| event["event"] == kind);
        events
            .map(|event| match serde_json::from_value(event.clone()) {
                Ok(event) => event,
                Err(error) => panic!("{event}: {error}"),
            })
            .collect()
    }

    /// Returns the one topology event.
    ///
    /// # Panics
    /// There is none, or more than one.
    #[must_use]
    #[track_caller]
    pub fn topology(&self) -> Topology {
        let mut events = self.events_of("topology");
        assert_eq!(events.len(), 1, "topology events\n{}", self.serial);
        events.remove(0)
    }

    /// Returns the CPU events.
    #[must_use]
    #[track_caller]
    pub fn cpus(&self) -> Vec<Cpu> {
        self.events_of("cpu")
    }

    /// Returns the driver events.
    #[must_use]
    #[track_caller]
    pub fn drivers(&self) -> Vec<Driver> {
        self.events_of("driver")
    }

    /// Returns the findings about the firmware's tables.
    #[must_use]
    #[track_caller]
    pub fn findings(&self) -> Vec<Finding> {
        self.events_of("finding")
    }

    /// Returns the results of the self-tests.
    #[must_use]
    #[track_caller]
    pub fn tests(&self) -> Vec<Test> {
        self.events_of("test")
    }

    /// Returns the lines of the log, without carriage returns.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.serial.lines().map(str::trim_end)
    }

    /// Returns the last line of the log that contains `start`, from there on. So the level in front of it is left out.
    #[must_use]
    pub fn line(&self, start: &str) -> Option<&str> {
        self.lines().filter_map(|line| line.find(start).map(|at| &line[at..])).last()
    }
}
