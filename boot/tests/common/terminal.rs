//! A terminal of a test's own, with a machine at its other end.
use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use boot::qemu::Running;
use boot::{Machine, Verdict};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for what it expects: far more than it takes.
const LIMIT: Duration = Duration::from_secs(170);

/// What the console shows before the line being typed.
pub const PROMPT: &str = "proxima> ";

#[derive(Default)]
struct Shown {
    bytes: Mutex<Vec<u8>>,
    more: Condvar,
}

/// A terminal, and the machine that runs on it.
pub struct Terminal {
    keyboard: File,
    shown: Arc<Shown>,
    /// What was waited for ends here.
    seen: usize,
    machine: Running,
    pub folder: TempDir,
}

impl Terminal {
    /// Boots the machine with a terminal at its console.
    pub fn boot(machine: &Machine) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        let other = File::options().read(true).write(true).open(name).unwrap();
        let keyboard = File::from(keyboard);
        let folder = tempfile::tempdir().unwrap();
        let machine = machine.start_on(&other.into(), &folder.path().join("com2")).unwrap();
        let shown = Arc::new(Shown::default());
        let (mut screen, into) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            // The read fails when the other end is closed.
            while let Ok(count @ 1..) = screen.read(&mut chunk) {
                let mut bytes = into.bytes.lock().unwrap();
                for byte in &chunk[..count] {
                    // The terminal adds a return to each line feed (termios, ONLCR), which has one.
                    if *byte != b'\r' || bytes.last() != Some(&b'\r') {
                        bytes.push(*byte);
                    }
                }
                drop(bytes);
                into.more.notify_all();
            }
        });
        Self { keyboard, shown, seen: 0, machine, folder }
    }

    /// Types these bytes.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        self.keyboard.write_all(bytes).unwrap();
    }

    /// Types this.
    pub fn type_text(&mut self, text: &str) {
        self.type_bytes(text.as_bytes());
    }

    /// Returns all that was shown.
    pub fn all(&self) -> String {
        String::from_utf8_lossy(&self.shown.bytes.lock().unwrap()).into_owned()
    }

    /// Waits until these words are shown behind those that were waited for last. Returns what is between.
    #[track_caller]
    pub fn wait_for(&mut self, words: &str) -> String {
        let end = Instant::now() + LIMIT;
        let mut bytes = self.shown.bytes.lock().unwrap();
        loop {
            let new = &bytes[self.seen..];
            if let Some(at) = new.windows(words.len()).position(|window| window == words.as_bytes()) {
                let text = String::from_utf8_lossy(&new[..at]).into_owned();
                self.seen += at + words.len();
                return text;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{words:?} does not come:\n{}", String::from_utf8_lossy(&bytes));
            bytes = self.shown.more.wait_timeout(bytes, left).unwrap().0;
        }
    }

    /// Runs a command, and returns the lines that it writes, without escape codes.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> Vec<String> {
        self.type_text(&format!("{command}\r"));
        self.wait_for(&format!("{PROMPT}{command}\r\n"));
        let text = self.wait_for(PROMPT);
        text.split("\r\n").map(|line| plain(line).to_owned()).filter(|line| !line.is_empty()).collect()
    }

    /// Runs a command with `--json`, and returns the object that it writes. Lines of the log in between are left out.
    #[track_caller]
    pub fn json(&mut self, command: &str) -> Value {
        let lines = self.run(&format!("{command} --json"));
        let is_json = |line: &&String| line.starts_with(['{', ']', ',']);
        let text: String = lines.iter().filter(is_json).map(String::as_str).collect();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{command}: {error}: {lines:#?}"))
    }

    /// Waits until the machine ends.
    pub fn end(&mut self) -> Verdict {
        self.machine.wait(LIMIT).unwrap()
    }
}

/// Returns the line without the codes that erase it.
pub fn plain(line: &str) -> &str {
    line.trim_start_matches(['\r', '\n']).trim_start_matches("\x1b[K")
}
