//! Counters: numbers that the kernel shows with the driver's statistics.
use crate::device::Device;
use core::ffi::CStr;
use core::fmt::{self, Write};
use core::ptr::{NonNull, null};
use core::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows, and that the kernel can show at any time. Any code may add to it, also in handlers.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Returns a counter that is 0 and that nobody sees yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds to the counter. Any number of CPUs may add at once.
    #[inline(always)]
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds to a counter that nobody else adds to meanwhile, as whoever has a lock: one instruction, which locks no bus. If others add at the
    /// same time, some of what is added is lost.
    #[inline(always)]
    pub fn add_alone(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Raises the counter to this number, if it is lower: for what is counted elsewhere.
    pub fn raise_to(&self, count: u64) {
        self.0.fetch_max(count, Ordering::Relaxed);
    }

    /// Returns the number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Shows the counter under this name, of at most 47 ASCII letters, digits, dots, hyphens and underscores, until the driver ends. Returns
    /// false if the name is another one, if the driver has a counter of this name or too many, if there is no memory, and in a handler.
    #[must_use]
    pub fn publish(&'static self, name: &CStr) -> bool {
        // SAFETY: the name ends with a zero, and the counter is a static of the driver: it stays until the driver has ended.
        unsafe { abi::Kernel_PublishCounter(name.as_ptr(), self.0.as_ptr()) }
    }
}

impl<'d> Device<'d> {
    /// Shows a counter under this name as [`Counter::publish`] does, until the device is removed. Names are the driver's: those of a
    /// device's counters should begin with its name.
    #[must_use]
    pub fn publish_counter(self, name: fmt::Arguments<'_>, counter: &'d Counter) -> bool {
        let mut text = Name::new();
        if text.write_fmt(name).is_err() {
            return false;
        }
        // SAFETY: the scope withdraws the name before `'d` ends.
        self.scope().note_counter(text, || unsafe { publish(text, counter) })
    }
}

/// Publishes a counter under a name.
///
/// # Safety
/// The name is withdrawn before the counter's memory is used otherwise.
unsafe fn publish(name: Name, counter: &Counter) -> bool {
    // SAFETY: the name ends with a zero, and the counter stays for as long as `# Safety` says.
    unsafe { abi::Kernel_PublishCounter(name.bytes.as_ptr().cast(), counter.0.as_ptr()) }
}

/// The name of a counter, with a zero at its end.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; abi::KERNEL_COUNTER_NAME_SIZE],
    length: usize,
}

impl Name {
    const fn new() -> Self {
        Self { bytes: [0; abi::KERNEL_COUNTER_NAME_SIZE], length: 0 }
    }
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let last = self.bytes.len() - 1;
        let room = self.bytes[..last].get_mut(self.length..self.length + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

/// A name that was published, in a list of these.
pub struct PublishedName {
    name: Name,
    next: Option<NonNull<Self>>,
}

impl PublishedName {
    /// Returns an element of a list, in front of `next`.
    pub const fn new(name: Name, next: Option<NonNull<Self>>) -> Self {
        Self { name, next }
    }

    /// Withdraws the counter of this name, and returns the next element.
    pub fn withdraw(&self) -> Option<NonNull<Self>> {
        // SAFETY: the name ends with a zero. Null stands for no counter.
        let _ = unsafe { abi::Kernel_PublishCounter(self.name.bytes.as_ptr().cast(), null()) };
        self.next
    }
}
