//! A slot: what is known of one timer.
use super::GENERATIONS;

/// The time of a timer that is not set. It is later than any other time.
pub const NEVER: u64 = u64::MAX;

/// A timer's id: above 0 and below 2³¹.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TimerId(pub u32);

/// Room for one timer, and for one entry of the heap.
pub struct Slot<T> {
    /// The time by which the heap is ordered, not later than `when`; [`NEVER`] if the timer is not in the heap.
    pub(crate) queued: u64,
    /// The time at which the timer is due.
    pub(crate) when: u64,
    /// The time from then to the next; 0: there is no next.
    pub(crate) period: u64,
    /// What is known of the timer. `None` if the slot is free.
    pub(crate) value: Option<T>,
    /// The timer's id.
    pub(crate) id: TimerId,
    /// The generation of the next timer here.
    pub(crate) generation: u32,
    /// The timer's place in the heap, if it is there.
    pub(crate) place: u16,
    /// The slot of the timer whose place in the heap has this slot's index.
    pub(crate) at_place: u16,
    /// The free slot after this one.
    pub(crate) next_free: Option<u16>,
}

impl<T> Slot<T> {
    /// Creates a free slot.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            queued: NEVER,
            when: NEVER,
            period: 0,
            value: None,
            id: TimerId(0),
            generation: 1,
            place: 0,
            at_place: 0,
            next_free: None,
        }
    }

    pub(crate) fn begin(&mut self, id: TimerId, value: T) {
        (self.id, self.value) = (id, Some(value));
        (self.when, self.period) = (NEVER, 0);
    }

    pub(crate) fn end(&mut self) {
        self.value = None;
        self.generation = if self.generation + 1 < GENERATIONS { self.generation + 1 } else { 1 };
    }

    /// Returns when a timer that was due by `now` is due next.
    pub(crate) fn next_time(&self, now: u64) -> u64 {
        match (self.period, self.when.saturating_add(self.period)) {
            (0, _) => NEVER,
            (_, next) if next > now => next,
            (period, _) => now.saturating_add(period),
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}
