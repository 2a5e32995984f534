//! The sources that know the rate of the time stamp counter.
use core::fmt;

/// A source of the time stamp counter's rate. The order is that of preference: the rate of the first one is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// CPUID leaf 15h: the counter's ratio to a crystal, and the crystal's rate (Intel SDM vol. 3 §20.7.3).
    CpuidLeaf15,
    /// CPUID leaf 4000_0010h: the rate as the hypervisor gives it.
    Hypervisor,
    /// A measurement against the HPET.
    Hpet,
    /// A measurement against ACPI's PM timer.
    PmTimer,
    /// A measurement against the PIT.
    Pit,
    /// CPUID leaf 16h: the CPU's base frequency, in whole megahertz. The counter's rate is near it.
    CpuidLeaf16,
}

impl Source {
    /// All sources, in the order of preference.
    pub const ALL: [Self; 6] =
        [Self::CpuidLeaf15, Self::Hypervisor, Self::Hpet, Self::PmTimer, Self::Pit, Self::CpuidLeaf16];

    /// Returns true if the source is a counter, and the rate is measured. The others are claims of CPUID.
    #[must_use]
    pub const fn is_measured(self) -> bool {
        matches!(self, Self::Hpet | Self::PmTimer | Self::Pit)
    }

    /// Returns the name that findings give to the source: a table's signature, or the device.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::CpuidLeaf15 | Self::Hypervisor | Self::CpuidLeaf16 => "CPUID",
            Self::Hpet => "HPET",
            Self::PmTimer => "FACP",
            Self::Pit => "PIT",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::CpuidLeaf15 => "CPUID leaf 15h",
            Self::Hypervisor => "CPUID leaf 40000010h",
            Self::Hpet => "the HPET",
            Self::PmTimer => "the PM timer",
            Self::Pit => "the PIT",
            Self::CpuidLeaf16 => "CPUID leaf 16h",
        })
    }
}
