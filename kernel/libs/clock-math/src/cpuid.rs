//! The time stamp counter's rate as CPUID gives it (Intel SDM vol. 3 §20.7.3).
use crate::Hz;

/// The registers that CPUID returns for a leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the registers' own names")]
pub struct Leaf {
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
}

/// Returns the rate by leaf 15h, or `None` if the leaf does not give it: the crystal's rate (ECX) times EBX / EAX.
#[must_use]
pub fn rate_from_leaf_15h(leaf: Leaf) -> Option<Hz> {
    let hz = (u64::from(leaf.ecx) * u64::from(leaf.ebx)).checked_div(u64::from(leaf.eax))?;
    (hz != 0).then_some(Hz(hz))
}

/// Returns the rate by leaf 16h, or `None` if the leaf is empty: the CPU's base frequency in megahertz, in the low 16 bits of
/// EAX.
#[must_use]
pub fn rate_from_leaf_16h(leaf: Leaf) -> Option<Hz> {
    let mhz = u64::from(leaf.eax & 0xffff);
    (mhz != 0).then_some(Hz(mhz * 1_000_000))
}

/// Returns the rate by a hypervisor's leaf 4000_0010h, or `None` if the leaf is empty: kilohertz in EAX.
#[must_use]
pub fn rate_from_hypervisor(leaf: Leaf) -> Option<Hz> {
    (leaf.eax != 0).then_some(Hz(u64::from(leaf.eax) * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_crystal_and_its_ratio_give_the_rate() {
        // An Intel N100 and an Alder Lake desktop CPU; a Skylake, which does not give the crystal's rate.
        let leaf = |eax, ebx, ecx| Leaf { eax, ebx, ecx, edx: 0 };
        assert_eq!(rate_from_leaf_15h(leaf(2, 42, 38_400_000)), Some(Hz(806_400_000)));
        assert_eq!(rate_from_leaf_15h(leaf(2, 188, 38_400_000)), Some(Hz(3_609_600_000)));
        assert_eq!(rate_from_leaf_15h(leaf(2, 284, 0)), None);
    }

    #[test]
    fn empty_leaves_give_no_rate() {
        let empty = Leaf::default();
        assert_eq!(rate_from_leaf_15h(empty), None);
        assert_eq!(rate_from_leaf_16h(empty), None);
        assert_eq!(rate_from_hypervisor(empty), None);
    }

    #[test]
    fn the_other_leaves_give_megahertz_and_kilohertz() {
        assert_eq!(rate_from_leaf_16h(Leaf { eax: 0xabcd_0bb8, ..Leaf::default() }), Some(Hz(3_000_000_000)));
        assert_eq!(rate_from_hypervisor(Leaf { eax: 2_610_465, ..Leaf::default() }), Some(Hz(2_610_465_000)));
    }

    proptest! {
        #[test]
        fn no_registers_overflow(eax: u32, ebx: u32, ecx: u32, edx: u32) {
            let leaf = Leaf { eax, ebx, ecx, edx };
            for rate in [rate_from_leaf_15h(leaf), rate_from_leaf_16h(leaf), rate_from_hypervisor(leaf)] {
                prop_assert_ne!(rate, Some(Hz(0)));
            }
        }
    }
}
