//! A set of CPUs.
use topology::MAX_CPUS;
use units::CpuId;

/// 64-bit words in a set.
pub const WORDS: usize = MAX_CPUS / 64;

/// A set of CPUs: bit n of word n/64 is CPU n.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CpuSet {
    words: [u64; WORDS],
}

impl CpuSet {
    /// No CPU.
    pub const EMPTY: Self = Self { words: [0; WORDS] };

    /// Creates the set with these words. Missing words are zero; words beyond [`WORDS`] are ignored.
    #[must_use]
    pub fn from_words(words: &[u64]) -> Self {
        let mut set = Self::EMPTY;
        for (to, from) in set.words.iter_mut().zip(words) {
            *to = *from;
        }
        set
    }

    /// Returns the words.
    #[must_use]
    pub const fn words(&self) -> &[u64; WORDS] {
        &self.words
    }

    /// Adds a CPU. An index of [`MAX_CPUS`] or above is ignored.
    pub fn insert(&mut self, cpu: CpuId) {
        if let Some(word) = self.words.get_mut(cpu.index() / 64) {
            *word |= 1 << (cpu.index() % 64);
        }
    }

    /// Returns true if the set contains the CPU.
    #[must_use]
    pub fn contains(&self, cpu: CpuId) -> bool {
        self.words.get(cpu.index() / 64).is_some_and(|word| word & (1 << (cpu.index() % 64)) != 0)
    }

    /// Returns true if the set contains no CPU.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words == [0; WORDS]
    }

    /// Returns the CPUs that both sets contain.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = *self;
        for (word, other) in both.words.iter_mut().zip(other.words) {
            *word &= other;
        }
        both
    }

    /// Returns the CPUs, ascending. Takes a step for each word and one for each CPU.
    pub fn iter(&self) -> impl Iterator<Item = CpuId> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| cpus_of_word(index, word))
    }
}

/// Returns the CPUs whose bits are set in the word of this index, ascending.
pub(crate) fn cpus_of_word(index: usize, word: u64) -> impl Iterator<Item = CpuId> {
    let mut rest = word;
    core::iter::from_fn(move || {
        let bit = (rest != 0).then(|| rest.trailing_zeros())?;
        rest &= rest - 1;
        Some(CpuId(index as u32 * 64 + bit))
    })
}

impl FromIterator<CpuId> for CpuSet {
    fn from_iter<I: IntoIterator<Item = CpuId>>(cpus: I) -> Self {
        let mut set = Self::EMPTY;
        cpus.into_iter().for_each(|cpu| set.insert(cpu));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_set_lists_what_was_inserted_ascending(cpus in prop::collection::btree_set(0..MAX_CPUS as u32, 0..80)) {
            let set: CpuSet = cpus.iter().map(|&cpu| CpuId(cpu)).collect();
            prop_assert_eq!(set.iter().map(|cpu| cpu.0).collect::<BTreeSet<_>>(), cpus.clone());
            prop_assert!(set.iter().is_sorted());
            prop_assert_eq!(set.is_empty(), cpus.is_empty());
            for cpu in 0..MAX_CPUS as u32 + 70 {
                prop_assert_eq!(set.contains(CpuId(cpu)), cpus.contains(&cpu));
            }
            prop_assert_eq!(CpuSet::from_words(set.words()), set);
        }
    }

    #[test]
    fn words_beyond_the_last_and_cpus_beyond_the_last_are_ignored() {
        let set = CpuSet::from_words(&[1; WORDS + 3]);
        assert_eq!(set.iter().count(), WORDS);
        let mut empty = CpuSet::EMPTY;
        empty.insert(CpuId(MAX_CPUS as u32));
        assert!(empty.is_empty());
    }
}
