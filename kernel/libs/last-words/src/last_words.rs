//! The order of the last words of all CPUs.
use crate::atomic::{AtomicBool, AtomicU32, AtomicU64};
use crate::slot::{Cause, Slot};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// What a CPU that goes down may still say. `order` is its place among the CPUs that go down. The one with place 0 stops the
/// others and gives the verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Say {
    /// The whole report.
    Everything {
        /// The CPU's place.
        order: usize,
    },
    /// One fixed line: this CPU has had a fault in its last words, so nothing that its report needs can be trusted.
    OneLine {
        /// The CPU's place.
        order: usize,
    },
    /// Nothing. This CPU had a fault in its one line as well, or the verdict has been given.
    Nothing,
}

/// What a non-maskable interrupt means to the CPU that takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopOrder {
    /// It is no order: no CPU goes down.
    None,
    /// An order, which this CPU does not follow: it has last words of its own, or it may be about to.
    GoOn,
    /// An order, which this CPU follows.
    Stop,
}

/// The last words of up to `CPUS` CPUs. If more go down at once, those that come last say nothing.
///
/// A CPU is known by its hardware id, which it can read without its own data. A CPU writes only to its own record. Faults nest:
/// the code of the later one runs to its end, or for ever, while the earlier one waits.
pub struct LastWords<const CPUS: usize> {
    /// Taken in order. The index is the CPU's place.
    slots: [AtomicU64; CPUS],
    /// How many CPUs have followed the order to stop.
    stopped: AtomicU32,
    /// True once every CPU without last words must follow the order, whatever it does.
    insists: AtomicBool,
    /// True once the verdict has been given.
    has_verdict: AtomicBool,
}

impl<const CPUS: usize> Default for LastWords<CPUS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const CPUS: usize> LastWords<CPUS> {
    /// Returns the last words of a machine on which no CPU goes down.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: [const { AtomicU64::new(Slot::FREE.bits()) }; CPUS],
            stopped: AtomicU32::new(0),
            insists: AtomicBool::new(false),
            has_verdict: AtomicBool::new(false),
        }
    }

    /// Returns the last words of a machine on which no CPU goes down.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| AtomicU64::new(Slot::FREE.bits())),
            stopped: AtomicU32::new(0),
            insists: AtomicBool::new(false),
            has_verdict: AtomicBool::new(false),
        }
    }

    /// Begins the last words of the running CPU, whose hardware id is `cpu`, and returns what it may say.
    pub fn begin(&self, cpu: u32, cause: Cause) -> Say {
        for (order, slot) in self.slots.iter().enumerate() {
            let new = Slot::new(cpu, cause).bits();
            let found = match slot.compare_exchange(Slot::FREE.bits(), new, AcqRel, Acquire) {
                Ok(_) => return Say::Everything { order },
                Err(found) => Slot::from_bits(found),
            };
            if found.is_of(cpu) {
                if found.is_short() {
                    return Say::Nothing;
                }
                slot.store(found.shortened().bits(), Release);
                return Say::OneLine { order };
            }
            if found == Slot::CLOSED {
                return Say::Nothing;
            }
        }
        Say::Nothing
    }

    /// Returns true if the CPUs with earlier places have nothing more to say, so that the CPU with this place may speak.
    pub fn is_turn_of(&self, order: usize) -> bool {
        self.slots.iter().take(order).all(|slot| Slot::from_bits(slot.load(Acquire)).has_ended())
    }

    /// Ends the last words of the CPU with this place. Its text has left the CPU.
    pub fn end(&self, order: usize) {
        if let Some(slot) = self.slots.get(order) {
            slot.store(Slot::from_bits(slot.load(Relaxed)).ended().bits(), Release);
        }
    }

    /// Lets no other CPU begin, and returns true, if no CPU but the first has something left to say. Only the first CPU calls
    /// this.
    pub fn close(&self) -> bool {
        self.close_after(Slot::has_ended)
    }

    /// Lets no other CPU begin, whether or not those that have begun have ended. Only the first CPU calls this.
    pub fn close_regardless(&self) {
        self.close_after(|_| true);
    }

    fn close_after(&self, is_done: fn(Slot) -> bool) -> bool {
        for slot in self.slots.iter().skip(1) {
            let closed = slot.compare_exchange(Slot::FREE.bits(), Slot::CLOSED.bits(), AcqRel, Acquire);
            match closed.map_err(Slot::from_bits) {
                Ok(_) | Err(Slot::CLOSED) => return true,
                Err(taken) if !is_done(taken) => return false,
                Err(_) => {}
            }
        }
        true
    }

    /// Returns true if a CPU has gone down by a fault.
    pub fn has_fault(&self) -> bool {
        self.slots.iter().any(|slot| Slot::from_bits(slot.load(Acquire)).has_fault())
    }

    /// Returns true to the one caller that is to give the verdict.
    pub fn claim_verdict(&self) -> bool {
        !self.has_verdict.swap(true, SeqCst)
    }

    /// Returns what a non-maskable interrupt means to the running CPU, whose hardware id is `cpu`. `may_be_entering` says that the
    /// interrupted code may be the first instructions of a fault's handler, before [`LastWords::begin`].
    ///
    /// A CPU to which this returns [`StopOrder::Stop`] halts, and does not call this again.
    pub fn order_to(&self, cpu: u32, may_be_entering: bool) -> StopOrder {
        let mut slots = self.slots.iter().map(|slot| Slot::from_bits(slot.load(Acquire)));
        match slots.next() {
            Some(first) if first.is_of(cpu) => return StopOrder::GoOn,
            Some(first) if first.is_taken() => {}
            _ => return StopOrder::None,
        }
        if slots.any(|slot| slot.is_of(cpu)) || (may_be_entering && !self.insists.load(Acquire)) {
            return StopOrder::GoOn;
        }
        self.stopped.fetch_add(1, AcqRel);
        StopOrder::Stop
    }

    /// From now on, CPUs that may be entering a fault's handler follow the order to stop, too.
    pub fn insist(&self) {
        self.insists.store(true, Release);
    }

    /// Returns how many CPUs beside the first have stopped, or have last words of their own.
    pub fn accounted(&self) -> usize {
        // Records are taken in order.
        let slots = self.slots.iter().skip(1).map(|slot| Slot::from_bits(slot.load(Acquire)));
        slots.take_while(|slot| slot.is_taken()).count() + self.stopped.load(Acquire) as usize
    }
}
