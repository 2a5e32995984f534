//! The faults of clocks, each with its rule, its action and its sentence.
use core::fmt;

use crate::{HpetFault, Hz, Implausible, Source};

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $id:literal,)*) => {
        /// The rule that a clock breaks. `docs/clock.md` explains each.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &[Self] = &[$(Self::$rule,)*];

            /// Returns the identifier in the event stream. Identifiers never change.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$rule => $id,)*
                }
            }
        }
    };
}

rules! {
    /// A rate that CPUID gives is implausible or contradicts other sources.
    Cpuid = "clock.cpuid",
    /// The HPET's place, its registers or its counting are implausible, or it contradicts other sources.
    Hpet = "clock.hpet",
    /// The PM timer's counting is implausible or contradicts other sources.
    PmTimer = "clock.pm-timer",
    /// The PIT's counting is implausible or contradicts other sources.
    Pit = "clock.pit",
    /// The time stamp counter's rate may change, by what CPUID says.
    TscRate = "clock.tsc.rate",
    /// The time stamp counters of two CPUs cannot be compared.
    TscCpus = "clock.tsc.cpus",
}

/// A fault of a clock. Displays as a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum Fault {
    Implausible { source: Source, reason: Implausible },
    Contradiction { source: Source, hz: Hz, used: Source, used_hz: Hz },
    HpetPlace { address: u64 },
    HpetRegisters(HpetFault),
    TscRate { hpet: bool },
    TscCpus { cpu: u32, hpet: bool },
}

impl Fault {
    /// Returns the rule that the clock breaks.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        match self {
            Self::Implausible { source, .. } | Self::Contradiction { source, .. } => match source {
                Source::CpuidLeaf15 | Source::Hypervisor | Source::CpuidLeaf16 => Rule::Cpuid,
                Source::Hpet => Rule::Hpet,
                Source::PmTimer => Rule::PmTimer,
                Source::Pit => Rule::Pit,
            },
            Self::HpetPlace { .. } | Self::HpetRegisters(_) => Rule::Hpet,
            Self::TscRate { .. } => Rule::TscRate,
            Self::TscCpus { .. } => Rule::TscCpus,
        }
    }

    /// Returns the name of the faulty table or device: a table's signature, `CPUID`, `PIT` or `TSC`.
    #[must_use]
    pub const fn table(&self) -> &'static str {
        match self {
            Self::Implausible { source, .. } | Self::Contradiction { source, .. } => source.table(),
            Self::HpetPlace { .. } | Self::HpetRegisters(_) => Source::Hpet.table(),
            Self::TscRate { .. } | Self::TscCpus { .. } => "TSC",
        }
    }

    /// Returns the action in the words of the event `finding`: `mended` if the HPET takes the counter's place, else `dropped`.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::TscRate { hpet: true } | Self::TscCpus { hpet: true, .. } => "mended",
            _ => "dropped",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instead =
            |hpet| if hpet { "the HPET is used" } else { "no HPET can take its place, so it is used anyway" };
        match *self {
            Self::Implausible { source, reason } => write!(out, "{source} is not used: {reason}"),
            Self::Contradiction { source, hz, used, used_hz } => {
                write!(out, "{source} gives {hz}, but {used}, which is used, gives {used_hz}")
            }
            Self::HpetPlace { address } => {
                write!(out, "the HPET is not used: {address:#x} is no place for its registers")
            }
            Self::HpetRegisters(fault) => write!(out, "the HPET is not used: {fault}"),
            Self::TscRate { hpet } => {
                write!(out, "the time stamp counter's rate may change; {}", instead(hpet))
            }
            Self::TscCpus { cpu, hpet } => {
                write!(out, "CPU {cpu}'s time stamp counter does not keep step; {}", instead(hpet))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_documented_rules_are_the_rules() {
        let page = include_str!("../../../../docs/clock.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `clock.")?.split_once("` |"));
        let documented: BTreeSet<&str> = rows.map(|(id, _)| id).collect();
        let rules: BTreeSet<&str> =
            Rule::ALL.iter().filter_map(|rule| rule.id().strip_prefix("clock.")).collect();
        assert_eq!(documented, rules);
        assert_eq!(rules.len(), Rule::ALL.len(), "two rules share an identifier");
    }

    #[test]
    fn only_a_fault_that_the_hpet_makes_up_for_is_mended() {
        assert_eq!(Fault::TscRate { hpet: true }.action(), "mended");
        assert_eq!(Fault::TscCpus { cpu: 1, hpet: false }.action(), "dropped");
        assert_eq!(Fault::HpetPlace { address: 0 }.action(), "dropped");
    }
}
