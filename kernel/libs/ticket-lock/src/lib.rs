//! A ticket lock without the value: CPUs that wait for a lock get it in the order in which they came.
//!
//! A CPU takes the next ticket, with one locked instruction, and waits until that ticket is served. Waiting CPUs only read, so
//! they leave the holder its cache line. The holder serves the next ticket when it leaves.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, loom))]
extern crate std;

#[cfg(not(loom))]
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering;
#[cfg(loom)]
use loom::sync::atomic::AtomicU32;

/// The tickets of a lock. At most one CPU is served at a time: the one that [`Tickets::enter`] has returned to, or to which
/// [`Tickets::try_enter`] has returned true, until it calls [`Tickets::leave`].
///
/// What a CPU wrote before it left is seen by the CPU that is served next.
pub struct Tickets {
    /// The ticket that the next CPU takes.
    next: AtomicU32,
    /// The ticket that is served. Only the CPU that is served writes it.
    served: AtomicU32,
}

impl Tickets {
    /// Creates the tickets of a free lock.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self { next: AtomicU32::new(0), served: AtomicU32::new(0) }
    }

    /// Creates the tickets of a free lock. loom's atomics have no constant constructors.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self::beginning_at(0)
    }

    /// Creates the tickets of a free lock that has been taken so many times.
    #[cfg(any(test, loom))]
    #[must_use]
    pub fn beginning_at(ticket: u32) -> Self {
        Self { next: AtomicU32::new(ticket), served: AtomicU32::new(ticket) }
    }

    /// Waits until all CPUs that came before have left. Calls `wait` again and again meanwhile.
    #[inline(always)]
    pub fn enter(&self, mut wait: impl FnMut()) {
        // The tickets go round. Two CPUs would have the same one only if 2³² waited.
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        while self.served.load(Ordering::Acquire) != ticket {
            wait();
        }
    }

    /// Enters if no CPU is served and none waits. Returns false otherwise.
    #[inline]
    #[must_use]
    pub fn try_enter(&self) -> bool {
        let served = self.served.load(Ordering::Acquire);
        self.next
            .compare_exchange(served, served.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Returns how many CPUs wait. The caller is the CPU that is served.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.next.load(Ordering::Relaxed).wrapping_sub(self.served.load(Ordering::Relaxed)).wrapping_sub(1)
    }

    /// Serves the next CPU. The caller is the CPU that is served.
    #[inline(always)]
    pub fn leave(&self) {
        self.served.store(self.served.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }
}

impl Default for Tickets {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_is_served_also_where_the_tickets_go_round() {
        let tickets = Tickets::beginning_at(u32::MAX);
        for _ in 0..3 {
            tickets.enter(|| panic!("nobody else is served"));
            assert!(!tickets.try_enter());
            assert_eq!(tickets.waiting(), 0);
            tickets.leave();
            assert!(tickets.try_enter());
            assert!(!tickets.try_enter());
            tickets.leave();
        }
    }

    #[test]
    fn those_who_wait_are_served_in_the_order_in_which_they_came() {
        let tickets = Tickets::new();
        let order = std::sync::Mutex::new(std::vec::Vec::new());
        tickets.enter(|| {});
        std::thread::scope(|scope| {
            for cpu in 0..4_u32 {
                let (tickets, order) = (&tickets, &order);
                scope.spawn(move || {
                    tickets.enter(std::thread::yield_now);
                    order.lock().unwrap().push(cpu);
                    tickets.leave();
                });
                // The next one comes when this one waits.
                while tickets.waiting() != cpu + 1 {
                    std::thread::yield_now();
                }
                assert!(!tickets.try_enter(), "nobody overtakes");
            }
            tickets.leave();
        });
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
    }
}
