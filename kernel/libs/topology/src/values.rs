//! The values a topology consists of, and how many of each there is room for.
use units::{ApicId, CpuId, NodeId, PhysAddr, PhysRange, ProximityDomain};

/// The most CPUs that a topology holds.
pub const MAX_CPUS: usize = 1024;

/// The most memory ranges that a topology holds, all nodes together.
pub const MAX_RANGES: usize = 1024;

/// Where a topology comes from.
// `None` is first, so that an empty topology is all zeroes and a static of it takes no room in the kernel's image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Nowhere: there is no SRAT of use, and the machine is one node.
    None,
    /// Nowhere: the kernel was told to see one node.
    Off,
    /// The SRAT.
    Srat,
    /// The kernel was told to make nodes up.
    Fake,
}

impl Source {
    /// The word in the event stream.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Srat => "srat",
            Self::None => "none",
            Self::Off => "off",
            Self::Fake => "fake",
        }
    }
}

/// A node: a proximity domain with CPUs, with memory, or with both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    /// The node's index.
    pub id: NodeId,
    /// What firmware calls it.
    pub domain: ProximityDomain,
    /// CPUs on it.
    pub cpu_count: u32,
    /// Its lowest address in bytes; 0 without memory.
    pub memory_base: u64,
    /// Bytes in all its ranges.
    pub memory_size: u64,
}

impl Node {
    /// Its memory to the nearest MiB, half a MiB being one. A range may reach to the last address: no sum overflows.
    #[must_use]
    pub const fn memory_mib(&self) -> u64 {
        (self.memory_size >> 19).div_ceil(2)
    }
}

/// A CPU that may be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cpu {
    /// The CPU's index.
    pub id: CpuId,
    /// What hardware calls it.
    pub apic_id: ApicId,
    /// What the ACPI namespace calls it; `None` for a CPU that the MADT does not list.
    pub acpi_processor_uid: Option<u32>,
    /// The node it is on.
    pub node: NodeId,
}

/// A range of physical memory that belongs to one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryRange {
    /// The addresses. With an SRAT, whole frames but for RAM that the SRAT does not cover or calls hot-pluggable.
    pub range: PhysRange,
    /// The node it belongs to.
    pub node: NodeId,
    /// Whether memory may come and go here. With a memory map, only its RAM is listed.
    pub hot_pluggable: bool,
}

/// What firmware says the machine can ever have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Proximity domains.
    pub domains: u64,
    /// Clock domains.
    pub clock_domains: u64,
    /// The highest physical address of memory.
    pub address: PhysAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_rounded_to_the_nearest_mib_whatever_its_size() {
        let mib = |memory_size| {
            Node { id: NodeId::ZERO, domain: ProximityDomain(0), cpu_count: 0, memory_base: 0, memory_size }
                .memory_mib()
        };
        assert_eq!([mib(0), mib((1 << 19) - 1), mib(1 << 19), mib(3 << 19)], [0, 0, 1, 2]);
        assert_eq!(mib(u64::MAX - 4095), 1 << 44);
    }
}
