//! How long each job takes: as it took here the last time, else as the file in the repository says.
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use boot::artifacts;

/// Seconds that a job takes which nobody has timed.
const UNKNOWN: f64 = 1.0;

/// What jobs take, by their names.
#[derive(Default)]
pub struct Times {
    seconds: BTreeMap<String, f64>,
}

impl Times {
    /// Reads what is known. A file that is missing or damaged costs only the estimate.
    pub fn read() -> Self {
        let mut times = Self::default();
        for file in [shipped(), own()] {
            let text = fs::read_to_string(file).unwrap_or_default();
            times.seconds.extend(serde_json::from_str::<BTreeMap<String, f64>>(&text).unwrap_or_default());
        }
        times
    }

    /// Returns the seconds that a job is expected to take.
    pub fn of(&self, job: &str) -> f64 {
        self.seconds.get(job).copied().unwrap_or(UNKNOWN)
    }

    /// Records what a job has taken.
    pub fn record(&mut self, job: &str, seconds: f64) {
        self.seconds.insert(job.into(), (seconds * 10.0).round() / 10.0);
    }

    /// Writes down what is known, for the next run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.seconds)? + "\n";
        fs::write(own(), text).with_context(|| own().display().to_string())
    }
}

/// The times of a machine with two cores.
fn shipped() -> PathBuf {
    artifacts::workspace().join("boot/test-times.json")
}

/// The times of this machine.
fn own() -> PathBuf {
    artifacts::workspace().join("target/test-times.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_can_be_read() {
        let text = fs::read_to_string(shipped()).unwrap();
        let times: BTreeMap<String, f64> = serde_json::from_str(&text).unwrap();
        assert!(times.contains_key("boot:disks") && times.values().all(|seconds| *seconds >= 0.0));
    }
}
