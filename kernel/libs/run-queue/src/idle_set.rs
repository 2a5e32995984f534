//! The CPUs that halt because they have nothing to do.
use crate::atomic::{AtomicU64, AtomicUsize, WORDS, const_unless_modelled, words};
use core::sync::atomic::Ordering;
use units::CpuId;

/// The CPUs that halt or are about to: bit n of word n/64.
///
/// A CPU sets its own bit before it halts and clears it afterwards. A CPU that wakes it clears the bit first, with one
/// locked instruction, and has then *claimed* it. So ten wake-ups at once do not all select the same CPU. A CPU that claims
/// another one interrupts it, whatever else happens: no third CPU will.
pub struct IdleSet {
    words: [AtomicU64; WORDS],
    words_in_use: AtomicUsize,
}

impl IdleSet {
    const_unless_modelled! {
        /// Creates an empty set. Searches find no CPU until [`IdleSet::limit`] was called.
        #[must_use]
        pub fn new() -> Self {
            Self { words: words(0), words_in_use: AtomicUsize::new(0) }
        }
    }

    /// Limits searches to the first `cpus` CPUs.
    pub fn limit(&self, cpus: usize) {
        self.words_in_use.store(cpus.div_ceil(64).min(WORDS), Ordering::Relaxed);
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        &self.words[..self.words_in_use.load(Ordering::Relaxed).min(WORDS)]
    }

    /// Returns true if no CPU is idle. Takes a step for each 64 CPUs of the machine.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.words().iter().all(|word| word.load(Ordering::Relaxed) == 0)
    }

    /// Returns true if `cpu` is idle and not claimed.
    #[inline]
    pub fn contains(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.place(cpu);
        word.load(Ordering::Relaxed) & bit != 0
    }

    /// Claims `cpu` if it is idle. If the result is true, the caller must interrupt that CPU.
    #[inline]
    #[must_use]
    pub fn claim(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.place(cpu);
        // The load spares busy CPUs the locked instruction on a line that all CPUs share.
        word.load(Ordering::Relaxed) & bit != 0 && word.fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }

    /// Claims an idle CPU of those that `allowed` has in the word of this index. The caller must interrupt it.
    #[inline]
    #[must_use]
    pub fn claim_among(&self, allowed: impl Fn(usize) -> u64) -> Option<CpuId> {
        for (index, word) in self.words().iter().enumerate() {
            let mut idle = word.load(Ordering::Relaxed);
            if idle != 0 {
                idle &= allowed(index);
            }
            while idle != 0 {
                let bit = idle.isolate_lowest_one();
                if word.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
                    return Some(CpuId(index as u32 * 64 + bit.trailing_zeros()));
                }
                idle &= !bit;
            }
        }
        None
    }

    pub(crate) fn insert(&self, cpu: CpuId) {
        let (word, bit) = self.place(cpu);
        word.fetch_or(bit, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, cpu: CpuId) {
        let (word, bit) = self.place(cpu);
        word.fetch_and(!bit, Ordering::Relaxed);
    }

    #[inline]
    fn place(&self, cpu: CpuId) -> (&AtomicU64, u64) {
        (&self.words[cpu.index() / 64], 1 << (cpu.index() % 64))
    }
}

impl Default for IdleSet {
    fn default() -> Self {
        Self::new()
    }
}
