//! A set of CPUs that all CPUs change and search without a lock.
use crate::atomic::{AtomicU64, AtomicUsize, WORDS, const_unless_modelled, words};
use core::sync::atomic::Ordering;
use units::CpuId;

/// A set of CPUs: bit n of word n/64 is CPU n. Its users say in what order their accesses are seen.
pub(crate) struct CpuBits {
    words: [AtomicU64; WORDS],
    words_in_use: AtomicUsize,
}

impl CpuBits {
    const_unless_modelled! {
        /// Creates an empty set. Searches find no CPU until [`CpuBits::limit`] was called.
        pub(crate) fn new() -> Self {
            Self { words: words(0), words_in_use: AtomicUsize::new(0) }
        }
    }

    /// Limits searches to the first `cpus` CPUs.
    pub(crate) fn limit(&self, cpus: usize) {
        self.words_in_use.store(cpus.div_ceil(64).min(WORDS), Ordering::Relaxed);
    }

    /// Returns the words that searches look at.
    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        &self.words[..self.words_in_use.load(Ordering::Relaxed).min(WORDS)]
    }

    /// Returns true if no search finds a CPU. Takes a step for each 64 CPUs of the machine.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let is_zero = |word: &AtomicU64| word.load(Ordering::Relaxed) == 0;
        match self.words_in_use.load(Ordering::Relaxed) {
            // Up to 64 CPUs, as nearly all machines have.
            1 => is_zero(&self.words[0]),
            _ => self.words().iter().all(is_zero),
        }
    }

    pub(crate) fn insert(&self, cpu: CpuId) {
        let (word, bit) = self.place(cpu);
        word.fetch_or(bit, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, cpu: CpuId) {
        let (word, bit) = self.place(cpu);
        word.fetch_and(!bit, Ordering::Relaxed);
    }

    /// Returns the word of `cpu`, and its bit.
    #[inline]
    pub(crate) fn place(&self, cpu: CpuId) -> (&AtomicU64, u64) {
        (&self.words[cpu.index() / 64], 1 << (cpu.index() % 64))
    }
}
