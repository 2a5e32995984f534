//! The values of which a topology consists, and the limits of their numbers.
use units::{ApicId, CpuId, NodeId, PhysAddr, PhysRange, ProximityDomain};

/// The highest number of CPUs in a topology.
pub const MAX_CPUS: usize = 1024;

/// The highest number of memory ranges in a topology, for all nodes together.
pub const MAX_RANGES: usize = 1024;

/// The origin of a topology's nodes.
// `None` comes first so that an empty topology is all zeros. A static of it then takes no space in the kernel's image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// No origin: there is no usable SRAT, and the machine is one node.
    None,
    /// A kernel parameter that requests one node.
    Off,
    /// The SRAT.
    Srat,
    /// A kernel parameter that requests fake nodes.
    Fake,
}

impl Source {
    /// Returns the word in the event stream.
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
    /// The proximity domain.
    pub domain: ProximityDomain,
    /// The number of CPUs on the node.
    pub cpu_count: u32,
    /// The lowest physical address of its memory, or 0 without memory.
    pub memory_base: u64,
    /// Bytes in all memory ranges of the node.
    pub memory_size: u64,
}

impl Node {
    /// Returns the memory in MiB, rounded to the nearest number, with halves rounded up. Does not overflow for any size.
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
    /// The id of the CPU's local APIC.
    pub apic_id: ApicId,
    /// The CPU's id in the ACPI namespace, or `None` for a CPU that the MADT does not list.
    pub acpi_processor_uid: Option<u32>,
    /// The CPU's node.
    pub node: NodeId,
}

/// A range of physical memory that belongs to one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryRange {
    /// The addresses. With an SRAT, these are whole frames, except for RAM that is hot-pluggable or not covered.
    pub range: PhysRange,
    /// The node that the memory belongs to.
    pub node: NodeId,
    /// True if memory may be added and removed here. With a memory map, only RAM is listed.
    pub hot_pluggable: bool,
}

/// The machine's highest numbers according to firmware.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The highest number of proximity domains.
    pub domains: u64,
    /// The highest number of clock domains.
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
