//! A machine whose log is read as it comes.
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ChildStdout;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use boot::qemu::Running;
use boot::{Disk, Machine, Node, Verdict};
use tempfile::TempDir;

use crate::soak::together;

/// How long the report of a panic goes on.
const REPORT_LIMIT: Duration = Duration::from_secs(3);
/// How the lines begin that say that the machine is lost.
const LAST_WORDS: [&str; 2] = ["ERROR fault:", "ERROR panic:"];
/// Lines of the log that explain a loss.
const LAST_LINES: usize = 60;

/// Why a machine is of no use any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Loss {
    /// The kernel has reported a panic or an exception of its own.
    Report,
    /// QEMU has ended too early: a reset, or a triple fault.
    Reset,
    /// Nothing comes any more.
    Hang,
    /// It goes on, but something does not work any more.
    Check(String),
}

/// The machine, and what it has said.
pub struct Session {
    lines: Receiver<String>,
    machine: Running,
    log: Vec<String>,
    /// COM2's file.
    _folder: TempDir,
}

/// Reads what the machine says, until it has ended.
fn read_lines(output: ChildStdout, into: &Sender<String>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while matches!(output.read_until(b'\n', &mut line), Ok(1..)) {
        // Nobody reads any more if the session has ended.
        let _ = into.send(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
}

impl Session {
    /// Starts a machine with two CPUs, two disks and this image. The number chooses its clock.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub fn start(image: &Path, number: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let machine = Machine::with_nodes([Node::new(0..1, 256), Node::new(1..2, 256)])
            .disks([Disk::Nvme, Disk::Virtio])
            .image(image)
            .parameters("watchdog=fail")
            .protected();
        // A driver that waits for ever is found after 10 s also where the host's clock runs: such mutants are many.
        let machine = if together::is_concurrent(number) {
            machine
        } else {
            together::with_clock(machine, number).disks_of_zeros()
        };
        let (machine, output) = machine.start(&folder.path().join("com2"))?;
        let (into, lines) = channel();
        // At once: the kernel waits for its port when the pipe is full.
        thread::spawn(move || read_lines(output, &into));
        Ok(Self { lines, machine, log: Vec::new(), _folder: folder })
    }

    /// Returns the next line of the log; `None` when the time is up.
    fn next_line(&mut self, end: Instant) -> Result<Option<String>, Loss> {
        match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.log.push(line.clone());
                Ok(Some(line))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Loss::Reset),
        }
    }

    /// Reads the log until `find` finds something in a line.
    ///
    /// # Errors
    /// The machine is lost. [`Loss::Hang`] if the time is up.
    pub fn wait_for<T>(
        &mut self,
        limit: Duration,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Loss> {
        let end = Instant::now() + limit;
        while let Some(line) = self.next_line(end)? {
            if LAST_WORDS.iter().any(|words| line.contains(words)) {
                let end = Instant::now() + REPORT_LIMIT;
                while let Ok(Some(_)) = self.next_line(end) {}
                return Err(Loss::Report);
            }
            if let Some(found) = find(&line) {
                return Ok(found);
            }
        }
        Err(Loss::Hang)
    }

    /// Returns what was read.
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// Waits until the machine ends.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn end(&mut self, limit: Duration) -> Result<Verdict> {
        self.machine.wait(limit)
    }

    /// Returns an error with the last lines of the log.
    pub fn explain(&self, loss: &Loss) -> anyhow::Error {
        let last = self.log.len().saturating_sub(LAST_LINES);
        anyhow::anyhow!("{loss:?}\n{}", self.log[last..].join("\n"))
    }
}
