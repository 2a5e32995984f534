//! What the driver counts for each disk, and shows.
use driver_kit::counter::Counter;
use driver_kit::device::Device;
use driver_kit::warn;

/// The numbers of a disk.
#[derive(Default)]
pub struct Counters {
    /// Commands that the controller has completed. It is brought up to date each second, and when the disk ends.
    pub completed: Counter,
    /// Requests that have failed, by the controller's status.
    pub failed: Counter,
    /// Completions of commands that were not outstanding.
    pub stray: Counter,
    /// How often the controller was restarted because it did not answer.
    pub restarts: Counter,
}

impl Counters {
    /// Shows the numbers as those of the disk of this name.
    pub fn publish<'d>(&'d self, device: Device<'d>, disk: &str) {
        let numbers = [
            ("completed", &self.completed),
            ("failed", &self.failed),
            ("stray", &self.stray),
            ("restarts", &self.restarts),
        ];
        let publish = |(name, number)| device.publish_counter(format_args!("{disk}.{name}"), number);
        if !numbers.into_iter().all(publish) {
            warn!("{disk}: not all counters are shown: there is no memory");
        }
    }
}
