//! The rules that tables must keep, each with its fixed identifier.

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $id:literal,)*) => {
        /// The rule that a [`Finding`](crate::Finding) breaks. `docs/numa.md` gives each rule's reason and source.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
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
    /// The table's length is less than its header or more than the readable bytes.
    TableLength = "table.length",
    /// The table's bytes do not add up to 0.
    TableChecksum = "table.checksum",
    /// There is another table of this signature.
    TableDuplicate = "table.duplicate",
    /// The bytes of a table do not start with a signature.
    TableSignature = "table.signature",

    /// An SRAT entry's length does not fit its structure or the table.
    SratEntryLength = "srat.entry.length",
    /// An SRAT entry's type is not in the specification.
    SratEntryType = "srat.entry.type",
    /// The kind of a device handle is not in the specification.
    SratDeviceHandle = "srat.device.handle",
    /// A domain has more than 8 bits in a revision with 8-bit domains.
    SratDomainWide = "srat.domain.wide",
    /// Two entries put one CPU into two domains.
    SratCpuDuplicate = "srat.cpu.duplicate",
    /// An entry names a CPU that the MADT does not list.
    SratCpuUnknown = "srat.cpu.unknown",
    /// The APIC ids differ from those of the MADT by a constant.
    SratCpuOffset = "srat.cpu.offset",
    /// No entry names a CPU that the MADT lists.
    SratCpuMissing = "srat.cpu.missing",
    /// A memory range is empty.
    SratMemoryEmpty = "srat.memory.empty",
    /// A memory range ends at or past the last address.
    SratMemoryWraps = "srat.memory.wraps",
    /// A memory range does not start and end at frame boundaries.
    SratMemoryUnaligned = "srat.memory.unaligned",
    /// The memory map has no RAM in a memory range.
    SratMemoryNoRam = "srat.memory.no-ram",
    /// Two memory ranges of one domain overlap.
    SratMemoryOverlap = "srat.memory.overlap",
    /// Memory ranges of two domains overlap.
    SratMemoryConflict = "srat.memory.conflict",
    /// No memory range covers some of the RAM.
    SratMemoryUncovered = "srat.memory.uncovered",
    /// The table has no usable entry.
    SratEmpty = "srat.empty",

    /// There is a SLIT, but no usable SRAT.
    SlitSrat = "slit.srat",
    /// The SLIT's size does not match its matrix.
    SlitSize = "slit.size",
    /// A node's domain has no row in the SLIT.
    SlitDomain = "slit.domain",
    /// A node's distance to itself is not 10.
    SlitDiagonal = "slit.diagonal",
    /// A distance is less than 10.
    SlitDistance = "slit.distance",

    /// A MADT entry's length does not fit its structure or the table.
    MadtEntryLength = "madt.entry.length",
    /// A CPU's APIC id is the broadcast id, or no message can be addressed to it.
    MadtCpuApicId = "madt.cpu.apic-id",
    /// An x2APIC entry has an id that only a local APIC's entry may have.
    MadtCpuX2Apic = "madt.cpu.x2apic",
    /// Two CPUs have the same APIC id.
    MadtCpuDuplicate = "madt.cpu.duplicate",
    /// The boot CPU is not among the enabled CPUs.
    MadtCpuBoot = "madt.cpu.boot",

    /// There is an HMAT, but no usable SRAT.
    HmatSrat = "hmat.srat",
    /// An HMAT structure's length does not fit its content or the table.
    HmatEntryLength = "hmat.entry.length",
    /// An HMAT structure's type is not in the specification.
    HmatEntryType = "hmat.entry.type",
    /// A matrix's data type or level is not in the specification.
    HmatMatrixKind = "hmat.matrix.kind",
    /// A matrix or its lists go past the end of the structure.
    HmatMatrixSize = "hmat.matrix.size",
    /// A matrix's unit is 0, or gives latencies that memory cannot have.
    HmatUnit = "hmat.unit",
    /// A value is too large for the kernel to keep.
    HmatValue = "hmat.value",
    /// Two values contradict each other.
    HmatConflict = "hmat.conflict",
    /// The SRAT does not name a domain.
    HmatDomain = "hmat.domain",
    /// An initiator's domain has neither a CPU nor a generic initiator.
    HmatInitiator = "hmat.initiator",
    /// A side cache has an invalid level or no size, or two caches have the same level.
    HmatCache = "hmat.cache",

    /// An MSCT entry's length does not fit its structure or the table.
    MsctEntryLength = "msct.entry.length",
    /// The MSCT's offset of the domains is invalid, or a range of domains is empty.
    MsctDomains = "msct.domains",

    /// The MCFG's size does not match whole entries.
    McfgSize = "mcfg.size",
    /// An MCFG entry names no buses, or an address where configuration space cannot be.
    McfgRange = "mcfg.range",
    /// Two MCFG entries name the same bus.
    McfgOverlap = "mcfg.overlap",
    /// The MCFG has more entries than are read.
    McfgFull = "mcfg.full",

    /// The MSCT contradicts the nodes or itself.
    MsctConflict = "msct.conflict",

    /// A term of AML cannot be read.
    AmlTerm = "aml.term",
    /// A name in AML is invalid.
    AmlName = "aml.name",
    /// The length of a package in AML does not fit its content or the package around it.
    AmlLength = "aml.length",
    /// Packages or paths in AML are nested too deep.
    AmlNesting = "aml.nesting",
    /// AML defines a device or an object twice.
    AmlDuplicate = "aml.duplicate",
    /// The value of an object cannot be used.
    AmlValue = "aml.value",
    /// A device's proximity domain is no node's.
    AmlDomain = "aml.domain",
    /// AML defines more devices than the reader has room for.
    AmlFull = "aml.full",

    /// The root pointer does not lie in readable memory.
    RsdpMemory = "rsdp.memory",
    /// The root pointer does not start with its signature.
    RsdpSignature = "rsdp.signature",
    /// The root pointer's bytes do not add up to 0.
    RsdpChecksum = "rsdp.checksum",
    /// The root pointer's length does not fit its revision or the readable memory.
    RsdpLength = "rsdp.length",
    /// The root pointer's revision does not exist.
    RsdpRevision = "rsdp.revision",
    /// The root pointer leads to no root table.
    RsdpRoot = "rsdp.root",
    /// A root table's length does not match whole entries.
    RootLength = "root.length",
    /// A root table's entry leads to no table.
    RootEntry = "root.entry",

    /// RAM lies above the highest address that the kernel uses.
    MemoryLimit = "memory.limit",
    /// A memory module is present, but not in the memory map.
    MemoryDimm = "memory.dimm",

    /// There are more proximity domains than the kernel has room for.
    DomainsFull = "domains.full",
    /// There are more CPUs than the kernel has room for.
    CpusFull = "cpus.full",
    /// There are more memory ranges than the kernel has room for.
    RangesFull = "ranges.full",
    /// There are more generic initiators and ports than the kernel has room for.
    DevicesFull = "devices.full",
    /// There are more side caches than the kernel has room for.
    CachesFull = "caches.full",
    /// There are more tables than the kernel reads.
    TablesFull = "tables.full",
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn no_two_rules_share_an_id() {
        for (index, rule) in Rule::ALL.iter().enumerate() {
            assert!(Rule::ALL[index + 1..].iter().all(|other| other.id() != rule.id()), "{}", rule.id());
        }
    }

    #[test]
    fn the_documented_rules_are_the_rules() {
        let page = include_str!("../../../../docs/numa.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        let documented: BTreeSet<&str> = rows.map(|(id, _)| id).collect();
        let rules = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(documented, rules);
    }
}
