//! The CPUs that halt because they have nothing to do.
use crate::atomic::const_unless_modelled;
use crate::cpu_bits::CpuBits;
use core::sync::atomic::Ordering;
use units::CpuId;

/// The CPUs that halt or are about to.
///
/// A CPU sets its own bit before it halts and clears it afterwards. A CPU that wakes it clears the bit first, with one
/// locked instruction, and has then *claimed* it. So ten wake-ups at once do not all select the same CPU. A CPU that claims
/// another one interrupts it, whatever else happens: no third CPU will.
pub struct IdleSet {
    cpus: CpuBits,
}

impl IdleSet {
    const_unless_modelled! {
        /// Creates an empty set. Searches find no CPU until [`IdleSet::limit`] was called.
        #[must_use]
        pub fn new() -> Self {
            Self { cpus: CpuBits::new() }
        }
    }

    /// Limits searches to the first `cpus` CPUs.
    pub fn limit(&self, cpus: usize) {
        self.cpus.limit(cpus);
    }

    /// Returns true if no CPU is idle. Takes a step for each 64 CPUs of the machine.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.cpus.is_empty()
    }

    /// Returns true if `cpu` is idle and not claimed.
    #[inline]
    pub fn contains(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.cpus.place(cpu);
        word.load(Ordering::Relaxed) & bit != 0
    }

    /// Claims `cpu` if it is idle. If the result is true, the caller must interrupt that CPU.
    #[inline]
    #[must_use]
    pub fn claim(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.cpus.place(cpu);
        // The load spares busy CPUs the locked instruction on a line that all CPUs share.
        word.load(Ordering::Relaxed) & bit != 0 && word.fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }

    /// Claims an idle CPU of those that `allowed` has in the word of this index. The caller must interrupt it.
    #[inline]
    #[must_use]
    pub fn claim_among(&self, allowed: impl Fn(usize) -> u64) -> Option<CpuId> {
        for (index, word) in self.cpus.words().iter().enumerate() {
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

    /// Returns true if a CPU of those that `allowed` has in the word of this index is idle. Takes a step for each 64 CPUs of the
    /// machine.
    #[inline]
    #[must_use]
    pub fn has_any(&self, allowed: impl Fn(usize) -> u64) -> bool {
        let mut words = self.cpus.words().iter().enumerate();
        words.any(|(index, word)| {
            let idle = word.load(Ordering::Relaxed);
            idle != 0 && idle & allowed(index) != 0
        })
    }

    /// Returns the CPUs from `64 * index` on that are idle and not claimed, a bit each; 0 beyond the last.
    #[inline]
    #[must_use]
    pub fn word(&self, index: usize) -> u64 {
        self.cpus.words().get(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    pub(crate) fn insert(&self, cpu: CpuId) {
        self.cpus.insert(cpu);
    }

    pub(crate) fn remove(&self, cpu: CpuId) {
        self.cpus.remove(cpu);
    }
}

impl Default for IdleSet {
    fn default() -> Self {
        Self::new()
    }
}
