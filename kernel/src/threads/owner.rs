//! The owner of a thread: the driver that created it, as far as threads know drivers.
use super::misuses::{Misuse, Misuses};
use crate::cpu::code_mark::{CodeKind, CodeMark};
use crate::memory::heap;
use arrayvec::ArrayString;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use device_claims::OwnerKey;
use free_refusals::Refusals;
use node_heap::{OWNERS, OwnerId};

/// A driver's name, of a bounded length.
pub type OwnerName = ArrayString<96>;

/// The numbers of drivers in the heaps that are taken: bit n % 64 of word n / 64. The kernel is 0.
static HEAP_IDS: [AtomicU64; OWNERS / 64] = [
    AtomicU64::new(1),
    const {
        assert!(OWNERS == 128);
        AtomicU64::new(0)
    },
];

fn take_heap_id() -> Option<OwnerId> {
    (1..OWNERS)
        .find(|id| HEAP_IDS[id / 64].fetch_or(1 << (id % 64), Ordering::Relaxed) & 1 << (id % 64) == 0)
        .and_then(OwnerId::new)
}

/// The refused calls of the kernel's own code.
static MISUSES_OF_KERNEL: Misuses = Misuses::new();

/// A driver's name, the number of its threads, and the records of its refused frees and calls.
pub struct Owner {
    name: OwnerName,
    /// The addresses of its image.
    image: Range<u64>,
    threads: AtomicU32,
    refusals: Refusals,
    misuses: Misuses,
    heap: OwnerId,
    in_handler: CodeMark,
}

impl Owner {
    /// Returns the owner of a driver without threads, or `None` if there are too many drivers.
    pub fn new(name: OwnerName, image: Range<u64>) -> Option<Self> {
        let heap = take_heap_id()?;
        let (refusals, misuses) = (Refusals::new(), Misuses::new());
        let in_handler = CodeMark::new(core::ptr::null(), CodeKind::Handler);
        Some(Self { name, image, threads: AtomicU32::new(0), refusals, misuses, heap, in_handler })
    }

    /// Returns the name that the log uses.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the addresses of the driver's image: the first one, and the one behind the last.
    pub fn image(&self) -> &Range<u64> {
        &self.image
    }

    /// Returns the record of the driver's refused frees.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Notes what the driver, or without one the kernel's own code, did that it must not. Returns true if it is the first of its
    /// kind: the caller logs that one, and no later one.
    pub fn note_misuse(driver: Option<&Self>, misuse: Misuse) -> bool {
        driver.map_or(&MISUSES_OF_KERNEL, |driver| &driver.misuses).note(misuse)
    }

    /// Returns the mark of a CPU that runs a handler of the driver.
    pub fn handler_mark(&'static self) -> &'static CodeMark {
        self.in_handler.set_owner(core::ptr::from_ref(self).cast());
        &self.in_handler
    }

    /// Returns what the claims on devices know the driver by.
    #[inline]
    pub fn key(&'static self) -> OwnerKey {
        OwnerKey::new(core::ptr::from_ref(self).expose_provenance() as u64)
            .expect("an owner's address is even and not null")
    }

    /// Returns the driver with this key.
    ///
    /// # Safety
    /// [`Owner::key`] has made the key.
    pub unsafe fn from_key(key: OwnerKey) -> &'static Self {
        let owner = core::ptr::with_exposed_provenance::<Self>(key.get() as usize);
        // SAFETY: by `# Safety` this is the address of an owner that lives for ever.
        unsafe { &*owner }
    }

    /// Returns what the heaps know the driver by.
    pub fn heap(&self) -> OwnerId {
        self.heap
    }

    /// Takes back all heap blocks of a driver of which nothing runs any more, and returns how many there were. Another driver may get
    /// its number in the heaps: this one allocates no more.
    pub fn take_back_heap(&self) -> usize {
        let blocks = heap::take_back_all(self.heap);
        HEAP_IDS[self.heap.index() / 64].fetch_and(!(1 << (self.heap.index() % 64)), Ordering::Relaxed);
        blocks
    }

    /// Returns the number of threads that the driver has created and that have not exited. If it is 0 after `Driver_Init` has
    /// returned, none of the driver's code runs, nor will any run again.
    pub fn threads(&self) -> u32 {
        self.threads.load(Ordering::Acquire)
    }

    /// Counts a thread that the driver creates.
    pub fn add_thread(&self) {
        self.threads.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a thread of the driver that has exited.
    pub fn remove_thread(&self) {
        self.threads.fetch_sub(1, Ordering::Release);
    }
}
