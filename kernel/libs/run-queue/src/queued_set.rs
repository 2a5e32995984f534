//! The CPUs at which threads are queued, so that an idle CPU finds work without a look at each CPU's queue.
use crate::atomic::const_unless_modelled;
use crate::cpu_bits::CpuBits;
use core::sync::atomic::Ordering;
use scheduling::CpuSet;
use units::CpuId;

/// The CPUs at which threads are queued.
///
/// A CPU with a queued thread is in the set. A CPU whose queue has become empty stays in it until the CPU has nothing to run, or
/// until another CPU looks for work there: a busy CPU's queue becomes empty and fills again all the time, and each change of the
/// set is a locked instruction on a line that all CPUs share.
///
/// [`crate::RunQueue`] changes the set, under the lock of the queue. Otherwise a CPU that finds the queue empty could remove
/// the CPU just after another one has queued a thread.
pub struct QueuedSet {
    cpus: CpuBits,
}

impl QueuedSet {
    const_unless_modelled! {
        /// Creates an empty set. Searches find no CPU until [`QueuedSet::limit`] was called.
        #[must_use]
        pub fn new() -> Self {
            Self { cpus: CpuBits::new() }
        }
    }

    /// Limits searches to the first `cpus` CPUs.
    pub fn limit(&self, cpus: usize) {
        self.cpus.limit(cpus);
    }

    /// Returns true if the CPU is in the set.
    #[must_use]
    pub fn contains(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.cpus.place(cpu);
        word.load(Ordering::Relaxed) & bit != 0
    }

    /// Returns true if the set is empty. Takes a step for each 64 CPUs of the machine.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpus.is_empty()
    }

    pub(crate) fn insert(&self, cpu: CpuId) {
        self.cpus.insert(cpu);
    }

    pub(crate) fn remove(&self, cpu: CpuId) {
        self.cpus.remove(cpu);
    }

    /// Returns the CPUs of the set, except for `thief`, in the order of `groups`. Within a group the CPU after `thief` comes first,
    /// so that not all thieves go to the same one.
    ///
    /// Takes a step for each 64 CPUs of the machine if the set is empty, else one for each group and 64 CPUs besides. Each word is
    /// read when its turn comes.
    pub fn from<'a>(
        &'a self,
        thief: CpuId,
        groups: impl Iterator<Item = &'a CpuSet>,
    ) -> impl Iterator<Item = CpuId> {
        let groups = groups.take_while(|_| !self.cpus.is_empty());
        let halves = groups.flat_map(|group| [(group, true), (group, false)]);
        halves.flat_map(move |(group, is_behind)| {
            self.cpus.words().iter().enumerate().flat_map(move |(index, word)| {
                let half = if is_behind { behind(thief, index) } else { before(thief, index) };
                let wanted = group.words()[index] & half;
                // Most words have none: the shared line is read only for the others.
                let found = if wanted == 0 { 0 } else { word.load(Ordering::Relaxed) & wanted };
                bits(found).map(move |bit| CpuId(index as u32 * 64 + bit))
            })
        })
    }
}

impl Default for QueuedSet {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the CPUs from `64 * index` on that have higher numbers than `cpu`.
fn behind(cpu: CpuId, index: usize) -> u64 {
    !before(cpu, index) & !own(cpu, index)
}

/// Returns the CPUs from `64 * index` on that have lower numbers than `cpu`.
fn before(cpu: CpuId, index: usize) -> u64 {
    match index.cmp(&(cpu.index() / 64)) {
        core::cmp::Ordering::Less => u64::MAX,
        core::cmp::Ordering::Equal => own(cpu, index) - 1,
        core::cmp::Ordering::Greater => 0,
    }
}

fn own(cpu: CpuId, index: usize) -> u64 {
    if index == cpu.index() / 64 { 1 << (cpu.index() % 64) } else { 0 }
}

/// Returns the numbers of the bits that are set, ascending.
fn bits(mut word: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some(bit)
    })
}
