//! The owner of a thread: the driver that created it, as far as threads know drivers.
use super::misuses::{Misuse, Misuses};
use super::used_kinds::UsedKinds;
use crate::cpu::code_mark::{CodeKind, CodeMark};
use crate::memory::{driver_pages, heap};
use arrayvec::ArrayString;
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use device_claims::OwnerKey;
use free_refusals::Refusals;
use node_heap::{OWNERS, OwnerId};
use page_alloc::{AtomicPageOwner, PageOwner};
use protection_keys::Key;

/// A driver's name, of a bounded length.
pub type OwnerName = ArrayString<96>;

/// The numbers of drivers that are taken: bit n % 64 of word n / 64. The kernel is 0.
static NUMBERS: [AtomicU64; OWNERS / 64] = [
    AtomicU64::new(1),
    const {
        assert!(OWNERS == 128 && PageOwner::COUNT == OWNERS + 1);
        AtomicU64::new(0)
    },
];

fn take_number() -> Option<PageOwner> {
    let is_free = |n: &usize| NUMBERS[n / 64].fetch_or(1 << (n % 64), Ordering::Relaxed) & 1 << (n % 64) == 0;
    (1..OWNERS).find(is_free).and_then(PageOwner::new)
}

/// The refused calls of the kernel's own code.
static MISUSES_OF_KERNEL: Misuses = Misuses::new();

/// How far the life of a driver has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Life {
    /// It starts, or has started.
    Running,
    /// It is to go. What it serves to other drivers ends, and it may still end its own work.
    Stopping,
    /// Its waits and sleeps end, and it creates no more threads.
    Leaving,
    /// Its threads end wherever they run its code.
    Ending,
    /// Its threads end as before, but nobody waits for that: its memory stays.
    Stuck,
    /// Nothing of it runs, and the kernel has taken back what it had. A driver of the same name may be loaded.
    Over,
}

impl Life {
    const ALL: [Self; 6] =
        [Self::Running, Self::Stopping, Self::Leaving, Self::Ending, Self::Stuck, Self::Over];

    fn of(byte: u8) -> Self {
        Self::ALL[usize::from(byte & !FAILED).min(Self::ALL.len() - 1)]
    }
}

/// Set beside a [`Life`] once the driver has failed in it.
const FAILED: u8 = 1 << 7;

/// The memory that a driver has left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryLeft {
    /// Its pages.
    pub pages: u64,
    /// Its blocks of the heaps.
    pub blocks: usize,
}

/// A driver's name, how far its life has come, the number of its threads, and the records of its refused frees and calls.
///
/// It lives for ever, since anything may refer to it. A driver that is loaded again has the same one.
pub struct Owner {
    name: OwnerName,
    /// The addresses of its image: the first one, and the one behind the last. They change only while nothing of the driver runs.
    image: [AtomicU64; 2],
    /// A [`Life`], and [`FAILED`].
    life: AtomicU8,
    /// How often the driver was loaded.
    lives: AtomicU32,
    threads: AtomicU32,
    /// How often it was loaded again after a failure, in all lives.
    restarts: AtomicU32,
    /// How often its code has failed, in all lives.
    faults: AtomicU32,
    refusals: Refusals,
    misuses: Misuses,
    used: UsedKinds,
    /// The number by which the heaps and the page allocator know it. It changes only while nothing of the driver runs.
    number: AtomicPageOwner,
    in_handler: CodeMark,
    /// The number of the key of its memory; 0 without protection. It changes only while nothing of the driver runs.
    protection_key: AtomicU8,
}

impl fmt::Debug for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "driver {}", self.name())
    }
}

impl Owner {
    /// Returns the owner of a driver without threads, or `None` if there are too many drivers.
    pub fn new(name: OwnerName, image: Range<u64>) -> Option<Self> {
        let number = AtomicPageOwner::new(take_number()?);
        Some(Self {
            name,
            image: [AtomicU64::new(image.start), AtomicU64::new(image.end)],
            life: AtomicU8::new(Life::Running as u8),
            lives: AtomicU32::new(1),
            threads: AtomicU32::new(0),
            restarts: AtomicU32::new(0),
            faults: AtomicU32::new(0),
            refusals: Refusals::new(),
            misuses: Misuses::new(),
            used: UsedKinds::new(),
            number,
            in_handler: CodeMark::new(core::ptr::null(), CodeKind::Handler),
            protection_key: AtomicU8::new(Key::KERNEL.number()),
        })
    }

    /// Begins another life, with the image at these addresses. Returns false, and changes nothing, if there are too many drivers. The
    /// caller alone loads drivers, and this one's life is over.
    pub fn begin_again(&self, image: Range<u64>) -> bool {
        let Some(number) = take_number() else { return false };
        self.number.store(number);
        self.lives.fetch_add(1, Ordering::Relaxed);
        self.in_handler.set_failed(false);
        self.refusals.forget();
        self.misuses.forget();
        self.used.forget();
        self.image[0].store(image.start, Ordering::Relaxed);
        self.image[1].store(image.end, Ordering::Relaxed);
        self.life.store(Life::Running as u8, Ordering::Release);
        true
    }

    /// Sets the key of the driver's memory. Nothing of the driver has run in this life.
    pub fn set_protection_key(&self, key: Key) {
        self.protection_key.store(key.number(), Ordering::Relaxed);
        self.in_handler.set_key(key);
    }

    /// Returns the key of the driver's memory; the kernel's without protection.
    #[inline]
    pub fn protection_key(&self) -> Key {
        Key::from_number(self.protection_key.load(Ordering::Relaxed))
    }

    /// Returns how far the driver's life has come.
    #[inline]
    pub fn life(&self) -> Life {
        Life::of(self.life.load(Ordering::SeqCst))
    }

    /// Returns how often the driver was loaded. Whoever has begun something for a driver compares this when it ends.
    pub fn lives(&self) -> u32 {
        self.lives.load(Ordering::Relaxed)
    }

    /// Counts that the driver is to be loaded again after a failure, at most `most` times from boot on. Returns the number of the attempt, or
    /// `None` if there were so many.
    pub fn count_restart(&self, most: u32) -> Option<u32> {
        let next = |restarts| (restarts < most).then_some(restarts + 1);
        self.restarts.try_update(Ordering::Relaxed, Ordering::Relaxed, next).ok().map(|before| before + 1)
    }

    /// Notes that the driver has failed: its handlers are not called any more, and its threads end. Any code may call this.
    pub fn note_failure(&self) {
        self.in_handler.set_failed(true);
        self.faults.fetch_add(1, Ordering::Relaxed);
        self.life.fetch_or(FAILED, Ordering::SeqCst);
    }

    /// Returns how often the driver's code has failed since boot.
    pub fn faults(&self) -> u32 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Returns true if the driver has failed in this life.
    pub fn has_failed(&self) -> bool {
        self.life.load(Ordering::SeqCst) & FAILED != 0
    }

    /// Returns true if the driver is to go.
    #[inline]
    pub fn is_stopping(&self) -> bool {
        self.life() != Life::Running
    }

    /// Returns true if the driver's waits and sleeps end, also because it has failed.
    #[inline]
    pub fn is_leaving(&self) -> bool {
        const { assert!(FAILED > Life::Over as u8) };
        self.life.load(Ordering::SeqCst) >= Life::Leaving as u8
    }

    /// Returns true if the driver's threads end wherever they run its code.
    #[inline]
    pub fn is_ending(&self) -> bool {
        self.has_failed() || matches!(self.life(), Life::Ending | Life::Stuck)
    }

    /// Begins another attempt to end a driver that is stuck. Returns false if it is not stuck.
    pub fn resume_stop(&self) -> bool {
        self.change_life(Life::Stuck, Life::Ending)
    }

    /// Ends the driver's time as a running one. Returns false if it had ended before: another thread takes the driver back.
    pub fn begin_stop(&self) -> bool {
        self.change_life(Life::Running, Life::Stopping)
    }

    fn change_life(&self, from: Life, to: Life) -> bool {
        let change = |byte| (Life::of(byte) == from).then_some(to as u8 | byte & FAILED);
        self.life.try_update(Ordering::SeqCst, Ordering::Relaxed, change).is_ok()
    }

    /// Moves the life of a driver that is stopping on. The thread that has begun the stop calls it.
    pub fn set_life(&self, life: Life) {
        let change = |byte| Some(life as u8 | byte & FAILED);
        let _ = self.life.try_update(Ordering::SeqCst, Ordering::Relaxed, change);
    }

    /// Returns the name that the log uses.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the addresses of the driver's image: the first one, and the one behind the last.
    pub fn image(&self) -> Range<u64> {
        let [start, end] = &self.image;
        start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed)
    }

    /// Returns the record of the driver's refused frees.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Returns the record of the kinds of things that the driver has had in this life.
    pub fn used(&self) -> &UsedKinds {
        &self.used
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
    #[inline]
    pub fn heap(&self) -> OwnerId {
        OwnerId::new(self.pages().number()).expect("the numbers are those of the heaps")
    }

    /// Returns what the page allocator knows the driver by.
    #[inline(always)]
    pub fn pages(&self) -> PageOwner {
        self.number.load()
    }

    /// Takes back all pages and heap blocks of a driver of which nothing runs any more, and returns how many there were. Another driver may
    /// get its number: this one allocates no more.
    pub fn take_back_memory(&self) -> MemoryLeft {
        let (id, pages) = (self.heap(), driver_pages::take_back(self.pages()));
        let blocks = heap::take_back_all(id);
        NUMBERS[id.index() / 64].fetch_and(!(1 << (id.index() % 64)), Ordering::Relaxed);
        MemoryLeft { pages, blocks }
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
