//! The CPUs on which a thread may run, as words that other CPUs may read at any time.
use crate::atomic::{AtomicU64, WORDS, const_unless_modelled, words};
use core::sync::atomic::Ordering;
use scheduling::CpuSet;
use units::CpuId;

/// A set of CPUs: bit n of word n/64 is CPU n. Readers see each word whole, but may see some words old and some new.
pub struct Affinity {
    words: [AtomicU64; WORDS],
}

impl Affinity {
    const_unless_modelled! {
        /// Returns the affinity with every CPU.
        pub fn everywhere() -> Self {
            Self { words: words(u64::MAX) }
        }
    }

    #[inline]
    pub fn contains(&self, cpu: CpuId) -> bool {
        self.word(cpu.index() / 64) & (1 << (cpu.index() % 64)) != 0
    }

    /// Returns the word for the CPUs from `64 * index` on; 0 beyond the last.
    #[inline]
    pub fn word(&self, index: usize) -> u64 {
        self.words.get(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    pub fn get(&self) -> CpuSet {
        CpuSet::from_words(&core::array::from_fn::<_, WORDS, _>(|index| self.word(index)))
    }

    pub fn set(&self, cpus: &CpuSet) {
        for (word, new) in self.words.iter().zip(cpus.words()) {
            word.store(*new, Ordering::Relaxed);
        }
    }
}
