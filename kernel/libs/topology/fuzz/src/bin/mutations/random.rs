//! A reproducible pseudorandom generator: SplitMix64 (Steele, Lea and Flood, 2014).
use fuzz::mutation::Mutation;

/// The generator. Its state is a counter.
pub struct Random(u64);

impl Random {
    /// Creates the generator of a seed.
    pub const fn new(seed: u64) -> Self {
        // Spreads adjacent seeds far apart.
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns a number below `limit`, which must be less than 2³².
    pub const fn below(&mut self, limit: u64) -> u64 {
        ((self.next() >> 32) * limit) >> 32
    }

    /// Returns a mutation: usually a small one.
    pub const fn mutation(&mut self) -> Mutation {
        let (kind, at, value) = (self.below(16), self.next() as u32, self.next());
        match kind {
            0..4 => Mutation::FlipBit { at, bit: value as u8 },
            4..7 => Mutation::SetByte { at, value: value as u8 },
            7..11 => Mutation::SetBoundary { at, value: value as u8 },
            11 => Mutation::SetLength {
                off: value as i8,
                otherwise: if at % 4 == 0 { Some((value >> 32) as u32) } else { None },
            },
            12 => Mutation::Truncate { length: at },
            13 => Mutation::Splice { at, from: value as u32 },
            14 => Mutation::Repeat { at, count: value as u8 },
            _ => Mutation::Seal,
        }
    }
}
