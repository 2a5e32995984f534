//! The ring: lines in the order in which their writers reserved room for them.
//!
//! Positions count slots and never wrap. A writer reserves the positions of its line with one compare-exchange, fills the slots,
//! and publishes each. A writer that is stopped between the two holds up the lines behind its own, not their writers, so the kernel
//! keeps preemption off meanwhile.
use crate::atomic::{AtomicU64, fence};
use crate::slot::{SLOT_SIZE, SLOT_TEXT, Slot};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

/// Lines that wait for their port, in `SLOTS` slots of 120 bytes. A line takes whole slots.
pub struct LineRing<const SLOTS: usize> {
    slots: [Slot; SLOTS],
    /// The first position that no writer has reserved.
    reserved: AtomicU64,
    /// The first position that is not sent whole, times [`SLOT_SIZE`], plus the bytes of it that are sent.
    sent: AtomicU64,
}

/// There is no room for the line. Nothing of it is in the ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// What a CPU does after a turn of sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// It sends on if something is left.
    Again,
    /// It leaves: another CPU is sending, or the port takes nothing.
    Leave,
}

impl<const SLOTS: usize> LineRing<SLOTS> {
    /// Bytes of the longest line that fits into an empty ring.
    pub const LONGEST_LINE: usize = SLOTS * SLOT_TEXT;

    /// Returns an empty ring.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self { slots: [const { Slot::empty() }; SLOTS], reserved: AtomicU64::new(0), sent: AtomicU64::new(0) }
    }

    /// Returns an empty ring.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| Slot::empty()),
            reserved: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }

    /// Puts a line into the ring.
    ///
    /// # Errors
    /// [`Full`] if there is no room for the whole line now.
    pub fn append(&self, line: &[u8]) -> Result<(), Full> {
        let first = self.reserve(line.len().div_ceil(SLOT_TEXT) as u64)?;
        for (position, text) in (first..).zip(line.chunks(SLOT_TEXT)) {
            self.slot(position).publish(position, text);
        }
        // Between this line and the writer's try to take the port; see `has_lines`.
        fence(SeqCst);
        Ok(())
    }

    fn reserve(&self, slots: u64) -> Result<u64, Full> {
        let mut first = self.reserved.load(Relaxed);
        loop {
            // Acquire: the text that the sender has read before it counted these slots as sent is overwritten only afterwards.
            let sent = self.sent.load(Acquire) / SLOT_SIZE;
            if first + slots > sent + SLOTS as u64 {
                return Err(Full);
            }
            match self.reserved.compare_exchange_weak(first, first + slots, Relaxed, Relaxed) {
                Ok(_) => return Ok(first),
                Err(now) => first = now,
            }
        }
    }

    /// Sends what the ring holds: calls `turn` until nothing is left or `turn` says to leave.
    ///
    /// `turn` takes the port if it is free, sends some bytes, and gives the port back. It says [`Turn::Leave`] if another CPU has
    /// the port. That CPU then sends this CPU's line, too: it looks for lines after it has given the port back.
    pub fn drain(&self, mut turn: impl FnMut() -> Turn) {
        while self.has_lines() {
            if turn() == Turn::Leave {
                return;
            }
        }
    }

    /// Returns true if the ring holds bytes that can be sent.
    ///
    /// No line is left behind by two CPUs of which each relies on the other. A writer appends its line, then tries to take the
    /// port; a sender gives the port back, then looks for lines. A fence stands between the two steps on both sides, so either
    /// the writer gets the port or the sender sees the line.
    pub fn has_lines(&self) -> bool {
        fence(SeqCst);
        let (position, _) = self.next();
        self.slot(position).length_at(position).is_some()
    }

    /// Passes the first bytes that are not sent to `send`: at least one, at most 16. `send` returns how many of them it has sent,
    /// and so does this function. Returns `None` if nothing can be sent. The caller has the port.
    #[inline]
    pub fn send_front(&self, send: impl FnOnce(&[u8]) -> usize) -> Option<usize> {
        let (position, from) = self.next();
        let slot = self.slot(position);
        let length = slot.length_at(position)?;
        let sent = send(slot.piece(from, length).as_bytes());
        let next = if from + sent < length {
            position * SLOT_SIZE + (from + sent) as u64
        } else {
            (position + 1) * SLOT_SIZE
        };
        // Release: see `reserve`.
        self.sent.store(next, Release);
        Some(sent)
    }

    /// Skips reserved slots whose text is missing, up to the next text or the end. The caller has the port, and no writer is
    /// left that could still bring the text: the machine is going down. Returns true if it skipped any.
    pub fn skip_missing(&self) -> bool {
        let (first, _) = self.next();
        let reserved = self.reserved.load(Relaxed).min(first + SLOTS as u64);
        let is_there = |&position: &u64| self.slot(position).length_at(position).is_some();
        let next = (first..reserved).find(is_there).unwrap_or(first.max(reserved));
        if next == first {
            return false;
        }
        self.sent.store(next * SLOT_SIZE, Release);
        true
    }

    /// Returns the position whose text is sent next, and how many bytes of it are sent already.
    fn next(&self) -> (u64, usize) {
        let sent = self.sent.load(Relaxed);
        (sent / SLOT_SIZE, (sent % SLOT_SIZE) as usize)
    }

    fn slot(&self, position: u64) -> &Slot {
        &self.slots[(position % SLOTS as u64) as usize]
    }
}

impl<const SLOTS: usize> Default for LineRing<SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}
