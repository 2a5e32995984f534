//! Random numbers, the same for the same seed.

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns a number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// Returns true once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    /// Returns a number that is no index below `limit`.
    pub fn no_index(&mut self, limit: i32) -> i32 {
        let above = limit.saturating_add(self.below(64) as i32);
        self.pick(&[-1, i32::MIN, i32::MAX, limit, above])
    }

    /// Returns a number of at most `largest`; small ones are as likely as large ones.
    pub fn sized(&mut self, largest: u64) -> u64 {
        let bits = self.below(u64::from(u64::BITS - largest.leading_zeros()) + 1);
        self.next().checked_shr(64 - bits as u32).unwrap_or(0).clamp(1, largest)
    }
}
