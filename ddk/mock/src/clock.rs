//! The machine's clock, which goes on by what happens and not by the host's time.

/// What a step of the code takes: a call of an export, or an access of a register.
const STEP_NS: u64 = 100;
/// The most time that passes in one step while nothing happens but looking and waiting.
const LONGEST_STEP: u32 = 17;

/// The clock. It begins a second after the kernel has started.
#[derive(Debug)]
pub struct Clock {
    now: u64,
    /// Steps since something has happened.
    idle: u32,
}

impl Clock {
    /// Returns a clock that begins.
    pub const fn new() -> Self {
        Self { now: 1_000_000_000, idle: 0 }
    }

    /// Returns the nanoseconds since the start.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Goes on by a step. Code that only waits goes through time ever faster, up to 13 ms a step, but not beyond `next`, when something is
    /// due.
    pub fn step(&mut self, next: Option<u64>) {
        let step = STEP_NS << (self.idle / 16).min(LONGEST_STEP);
        let end = self.now + step;
        // What is due already does not hold the clock.
        let limit = next.filter(|next| *next > self.now).map_or(end, |next| next.max(self.now + STEP_NS));
        self.now = end.min(limit);
        self.idle += 1;
    }

    /// Notes that something has happened.
    pub const fn work(&mut self) {
        self.idle = 0;
    }

    /// Goes on to a time, unless it has passed.
    pub fn advance_to(&mut self, when: u64) {
        self.now = self.now.max(when);
        self.idle = 0;
    }
}
