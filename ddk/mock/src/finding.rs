//! Findings: what a driver or a device did wrong. The test asserts on them; a finding that is left at the end fails the test.
use std::fmt;

/// What kind of mistake a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(i32)]
pub enum Kind {
    /// A function for threads was called in a handler, with interrupts off, or in a function of a block device.
    CallInHandler = 1,
    /// An id that names nothing: it never did, or what it named is gone.
    StaleId = 2,
    /// An id of something that the driver does not own.
    ForeignId = 3,
    /// A free of what is not allocated: twice, in the middle, or another's.
    BadFree = 4,
    /// Bytes around a block were overwritten.
    Overrun = 5,
    /// A request was completed that is not outstanding.
    BadCompletion = 6,
    /// A driver has changed a request that belongs to its submitter, or a submitter has changed one that is outstanding.
    ChangedRequest = 7,
    /// A device accessed memory that was not granted to it, or no more, or in the wrong direction.
    ForeignDma = 8,
    /// A device accessed memory while its bus mastering was off.
    NoBusMaster = 9,
    /// A register was accessed that is not mapped to the driver, or while the device does not decode its memory.
    WildRegister = 10,
    /// A delay of more than 100 us in a handler or with interrupts off.
    LongDelay = 11,
    /// A function of the driver returned what it may not return.
    BadReturn = 12,
    /// Interrupts stayed off, or on, where a function must leave them as they were.
    UnbalancedInterrupts = 13,
    /// An interrupt that no handler claims, many times in a row.
    Unclaimed = 14,
}

/// A mistake, and what exactly was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What kind of mistake it is.
    pub kind: Kind,
    /// What was done, for people.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:?}: {}", self.kind, self.text)
    }
}

/// What a driver has left at its end, by kind: what the kernel takes back and reports.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Left {
    /// Grants of pages. The kernel does not take these back.
    pub pages: usize,
    /// Blocks of the heap.
    pub heap: usize,
    /// DMA memory, and mappings of memory for devices.
    pub dma: usize,
    /// Threads that were not ended.
    pub threads: usize,
    /// Timers.
    pub timers: usize,
    /// Mappings of device memory.
    pub mappings: usize,
    /// Uses of interfaces.
    pub interfaces: usize,
}

impl Left {
    /// Any number of what the kernel takes together with a device, for [`crate::Machine::allow_left`]: DMA memory and mappings of device
    /// memory. The crate `driver_kit` leaves these.
    pub const WITH_THE_DEVICE: Self =
        Self { pages: 0, heap: 0, dma: ANY, threads: 0, timers: 0, mappings: ANY, interfaces: 0 };

    /// Returns the kinds of which there are more than `allowed` has.
    pub(crate) fn beyond(&self, allowed: &Self) -> Vec<String> {
        let kinds = [
            ("grants of pages", self.pages, allowed.pages),
            ("heap blocks", self.heap, allowed.heap),
            ("pieces of DMA memory", self.dma, allowed.dma),
            ("threads", self.threads, allowed.threads),
            ("timers", self.timers, allowed.timers),
            ("mappings of device memory", self.mappings, allowed.mappings),
            ("uses of interfaces", self.interfaces, allowed.interfaces),
        ];
        let beyond = kinds.into_iter().filter(|(_, count, allowed)| count > allowed);
        beyond.map(|(what, count, _)| format!("{count} {what}")).collect()
    }
}

/// Any number, in [`Left`].
pub const ANY: usize = usize::MAX;
