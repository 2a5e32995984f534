//! Counters: numbers in drivers' memory that the kernel shows. A counter belongs to the driver that has published it, and ends with it.
use crate::arch::guarded;
use crate::threads::Mutex;
use crate::threads::owner::Owner;
use abi::{KERNEL_COUNTER_NAME_SIZE, KERNEL_MOST_COUNTERS};
use alloc::vec::Vec;
use arrayvec::ArrayString;
use core::fmt::Write;

/// The name of a counter.
pub type CounterName = ArrayString<KERNEL_COUNTER_NAME_SIZE>;

/// A counter's address in a driver's memory, a multiple of 8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CounterAddress(pub usize);

/// Where a counter's value is.
#[derive(Clone, Copy)]
enum ValueAt {
    /// In the driver's memory.
    Memory(CounterAddress),
    /// The driver has withdrawn the counter at its end. This was its value; `None` if the memory was not mapped any more.
    Last(Option<u64>),
}

impl ValueAt {
    /// Returns the counter's value; `None` if its memory is not mapped any more.
    fn value(self) -> Option<u64> {
        match self {
            Self::Memory(CounterAddress(address)) => guarded::load_u64(address),
            Self::Last(value) => value,
        }
    }
}

struct Published {
    owner: &'static Owner,
    name: CounterName,
    source: ValueAt,
}

impl Published {
    fn is_of(&self, owner: &'static Owner) -> bool {
        core::ptr::eq(self.owner, owner)
    }
}

/// The counters of all drivers, in the order in which they were published.
static COUNTERS: Mutex<Vec<Published>> = Mutex::new(Vec::new());

/// Publishes a counter of a driver. Returns false, and changes nothing, if it has one of this name or too many, if it is being stopped, or
/// if there is no memory.
pub fn publish(owner: &'static Owner, name: CounterName, address: CounterAddress) -> bool {
    let mut counters = COUNTERS.lock();
    let (mut count, mut exists) = (0, false);
    for counter in counters.iter().filter(|counter| counter.is_of(owner)) {
        count += 1;
        exists |= counter.name == name;
    }
    // Under the lock: whoever stops the driver ends its counters afterwards.
    let is_refused = exists || count >= KERNEL_MOST_COUNTERS || owner.is_stopping();
    if is_refused || counters.try_reserve(1).is_err() {
        return false;
    }
    counters.push(Published { owner, name, source: ValueAt::Memory(address) });
    true
}

/// Withdraws a counter of a driver: its memory is not read any more. Returns false if the driver has none of this name. If the driver is being
/// stopped, the last value is still shown when it has ended.
pub fn withdraw(owner: &'static Owner, name: &str) -> bool {
    let mut counters = COUNTERS.lock();
    let is_it = |counter: &Published| {
        counter.is_of(owner) && counter.name.as_str() == name && matches!(counter.source, ValueAt::Memory(_))
    };
    let Some(index) = counters.iter().position(is_it) else { return false };
    if owner.is_stopping() {
        counters[index].source = ValueAt::Last(counters[index].source.value());
    } else {
        counters.remove(index);
    }
    true
}

/// Withdraws all counters of a driver.
pub fn withdraw_all(owner: &'static Owner) {
    COUNTERS.lock().retain(|counter| !counter.is_of(owner));
}

/// Calls `show` with the name and the value of each counter of a driver, in the order in which they were published. The value of a counter
/// whose memory is not mapped any more is `None`. `show` publishes and withdraws no counter.
pub fn for_each(owner: &'static Owner, mut show: impl FnMut(&str, Option<u64>)) {
    for counter in COUNTERS.lock().iter().filter(|counter| counter.is_of(owner)) {
        show(&counter.name, counter.source.value());
    }
}

/// Bytes of a line of the log with counters.
const LINE: usize = 160;

/// Logs the counters of a driver, as many in a line as fit.
pub fn log(owner: &'static Owner) {
    let mut line = ArrayString::<LINE>::new();
    for_each(owner, |name, value| {
        let mut text = ArrayString::<{ KERNEL_COUNTER_NAME_SIZE + 24 }>::new();
        // There is room for a name and the largest number.
        let _ = match value {
            Some(value) => write!(text, "{name} {value}"),
            None => write!(text, "{name} not mapped"),
        };
        if !line.is_empty() && line.remaining_capacity() < text.len() + 2 {
            log::info!(target: "drivers", "{}: {line}", owner.name());
            line.clear();
        }
        let separator = if line.is_empty() { "" } else { ", " };
        let _ = write!(line, "{separator}{text}");
    });
    if !line.is_empty() {
        log::info!(target: "drivers", "{}: {line}", owner.name());
    }
}
