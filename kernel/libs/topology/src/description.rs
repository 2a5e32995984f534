//! Parts of a topology as text, for logs and for the host tool.
use core::fmt::{self, Display};

use units::NodeId;

use crate::{MemoryRange, NumaTopology, PersistentRange, SideCache};

impl NumaTopology {
    /// Displays the node's CPUs as `0-1,4`, or as nothing if it has none.
    #[must_use]
    pub fn cpu_list(&self, node: NodeId) -> impl Display {
        fmt::from_fn(move |out| {
            let mut cpus = self.cpus().iter().filter(|cpu| cpu.node == node).map(|cpu| cpu.id.0).peekable();
            let mut separator = "";
            while let Some(first) = cpus.next() {
                let mut last = first;
                while let Some(next) = cpus.next_if_eq(&(last + 1)) {
                    last = next;
                }
                write!(out, "{separator}{first}")?;
                if last > first {
                    write!(out, "-{last}")?;
                }
                separator = ",";
            }
            Ok(())
        })
    }

    /// Returns the distances from one node to each node.
    pub fn distances_from(&self, from: NodeId) -> impl Iterator<Item = u8> + Clone {
        self.nodes().iter().filter_map(move |to| self.distance(from, to.id))
    }
}

impl Display for MemoryRange {
    /// Writes `[mem 0x0000000000000000-0x000000000009ffff]`, with the last address of the range.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "[mem {:#018x}-{:#018x}]", self.range.start.0, self.range.end.0.saturating_sub(1))
    }
}

impl Display for PersistentRange {
    /// Writes `[mem 0x0000000100000000-0x0000000107ffffff], domain 2, nearest node 0`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.range.start.0, self.range.end.0.saturating_sub(1));
        write!(out, "[mem {first:#018x}-{last:#018x}], domain {}, nearest node {}", self.domain, self.nearest)
    }
}

impl Display for SideCache {
    /// Writes `node 0 has a side cache of 10 KiB, level 1 of 1, direct mapped, write-back, lines of 64 bytes`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self { node, level, size, levels, associativity, write_policy, line_size } = self;
        let kib = size.div_ceil(1024);
        write!(out, "node {node} has a side cache of {kib} KiB, level {level} of {levels}")?;
        out.write_str(match associativity {
            1 => ", direct mapped",
            2 => ", complex indexing",
            _ => "",
        })?;
        out.write_str(match write_policy {
            1 => ", write-back",
            2 => ", write-through",
            _ => "",
        })?;
        write!(out, ", lines of {line_size} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Inputs;
    use acpi_tables::builder::{TableBuilder, x2apic_affinity};
    use std::string::ToString;
    use units::{ApicId, PhysRange, ProximityDomain};

    #[test]
    fn consecutive_cpus_are_displayed_as_first_and_last() {
        let on_node_0 = [0, 1, 4, 6, 7, 8];
        let domain = |cpu| ProximityDomain(u32::from(!on_node_0.contains(&cpu)));
        let entries = (0..9).map(|cpu| x2apic_affinity(ApicId(cpu), domain(cpu)));
        let table = TableBuilder::srat(3).entries(entries).build();
        let topology = NumaTopology::build(&Inputs::from_tables([&table[..]], &mut |_| {}), &mut |_| {});
        let list = |node| topology.cpu_list(NodeId::new(node).unwrap()).to_string();
        assert_eq!([list(0), list(1), list(2)], ["0-1,4,6-8", "2-3,5", ""]);
    }

    #[test]
    fn a_range_is_displayed_with_its_last_address() {
        let range =
            MemoryRange { range: PhysRange::new(0x1000, 0xa0000), node: NodeId::ZERO, hot_pluggable: false };
        assert_eq!(range.to_string(), "[mem 0x0000000000001000-0x000000000009ffff]");
    }

    #[test]
    fn a_side_cache_is_displayed_without_unspecified_attributes() {
        let mut cache = SideCache {
            node: NodeId::ZERO,
            level: 1,
            size: 10_241,
            levels: 2,
            associativity: 2,
            write_policy: 1,
            line_size: 64,
        };
        assert_eq!(
            cache.to_string(),
            "node 0 has a side cache of 11 KiB, level 1 of 2, complex indexing, write-back, lines of 64 bytes"
        );
        (cache.associativity, cache.write_policy) = (0, 0);
        assert_eq!(cache.to_string(), "node 0 has a side cache of 11 KiB, level 1 of 2, lines of 64 bytes");
    }
}
