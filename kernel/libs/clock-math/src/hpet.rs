//! The HPET's first register, which gives the rate of its counter (IA-PC HPET 1.0a §2.3.4).
use core::fmt;

use crate::{Counter, Hz};

/// The longest period that an HPET may have, in femtoseconds.
const LONGEST_PERIOD_FS: u64 = 100_000_000;
const FS_PER_S: u64 = 1_000_000_000_000_000;

/// Why registers are not an HPET's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HpetFault {
    /// The register has this value, in which the revision is 0 or every bit is set: no device answers.
    Absent(u64),
    /// The counter's period, in femtoseconds, is 0 or longer than 100 ns.
    Period(u64),
}

impl fmt::Display for HpetFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(value) => write!(out, "no device answers: the first register reads {value:#x}"),
            Self::Period(fs) => write!(out, "a period of {fs} fs is not from 1 to {LONGEST_PERIOD_FS}"),
        }
    }
}

/// Returns the counter of the HPET whose capabilities register has this value. It has 32 bits: the kernel reads no more of it,
/// because not every HPET lets 64 bits be read at once.
///
/// # Errors
/// [`HpetFault`] if the value is not an HPET's.
pub const fn hpet(capabilities: u64) -> Result<Counter, HpetFault> {
    if capabilities & 0xff == 0 || capabilities == u64::MAX {
        return Err(HpetFault::Absent(capabilities));
    }
    let period_fs = capabilities >> 32;
    if period_fs == 0 || period_fs > LONGEST_PERIOD_FS {
        return Err(HpetFault::Period(period_fs));
    }
    Ok(Counter { hz: Hz(FS_PER_S / period_fs), bits: 32 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_period_gives_the_rate() {
        // QEMU's, and an Intel chipset's.
        assert_eq!(hpet(0x0098_9680_8086_a201), Ok(Counter { hz: Hz(100_000_000), bits: 32 }));
        assert_eq!(hpet(0x0429_b17f_8086_a701), Ok(Counter { hz: Hz(14_318_179), bits: 32 }));
    }

    #[test]
    fn registers_that_are_not_an_hpets_are_refused() {
        assert_eq!(hpet(u64::MAX), Err(HpetFault::Absent(u64::MAX)));
        assert_eq!(hpet(0), Err(HpetFault::Absent(0)));
        assert_eq!(hpet(0x0098_9680_8086_a200), Err(HpetFault::Absent(0x0098_9680_8086_a200)));
        assert_eq!(hpet(0x8086_a201), Err(HpetFault::Period(0)));
        assert_eq!(hpet(0x05f5_e101_8086_a201), Err(HpetFault::Period(100_000_001)));
    }

    proptest! {
        #[test]
        fn every_accepted_rate_is_at_least_10_mhz(capabilities: u64) {
            if let Ok(counter) = hpet(capabilities) {
                prop_assert!(counter.hz >= Hz(10_000_000));
            }
        }
    }
}
