//! The rules by which tables are mended or refused, each with its fixed identifier.

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $id:literal,)*) => {
        /// What a [`Finding`](crate::Finding) is about. `docs/numa.md` gives each rule's reason and source.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// Every rule there is.
            pub const ALL: &[Self] = &[$(Self::$rule,)*];

            /// The identifier in the event stream; it never changes.
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
    /// The table's length is less than its header or more than what could be mapped.
    TableLength = "table.length",
    /// The table's bytes do not add up to 0.
    TableChecksum = "table.checksum",
    /// There is another table of this signature.
    TableDuplicate = "table.duplicate",
    /// What should be a table starts with no signature.
    TableSignature = "table.signature",

    /// An SRAT entry's length does not fit its structure or the table.
    SratEntryLength = "srat.entry.length",
    /// An SRAT entry is of a type that the specification does not know.
    SratEntryType = "srat.entry.type",
    /// A device is named in a way that the specification does not know.
    SratDeviceHandle = "srat.device.handle",
    /// A domain of more than 8 bits in a revision that has 8.
    SratDomainWide = "srat.domain.wide",
    /// Two entries place one CPU in two domains.
    SratCpuDuplicate = "srat.cpu.duplicate",
    /// An entry places a CPU that the MADT does not have.
    SratCpuUnknown = "srat.cpu.unknown",
    /// No entry places a CPU that the MADT has.
    SratCpuMissing = "srat.cpu.missing",
    /// A memory range without a byte.
    SratMemoryEmpty = "srat.memory.empty",
    /// A memory range that goes on past the last address there can be, or up to it.
    SratMemoryWraps = "srat.memory.wraps",
    /// A memory range that does not start and end with a frame.
    SratMemoryUnaligned = "srat.memory.unaligned",
    /// A memory range where the memory map has no RAM.
    SratMemoryNoRam = "srat.memory.no-ram",
    /// Two memory ranges of one domain overlap.
    SratMemoryOverlap = "srat.memory.overlap",
    /// Memory ranges of two domains overlap.
    SratMemoryConflict = "srat.memory.conflict",
    /// RAM that no memory range covers.
    SratMemoryUncovered = "srat.memory.uncovered",
    /// The table was read and has no entry of use.
    SratEmpty = "srat.empty",

    /// The SLIT's size is not that of its matrix.
    SlitSize = "slit.size",
    /// A node's domain has no row in the SLIT.
    SlitDomain = "slit.domain",
    /// A node's distance to itself is not 10.
    SlitDiagonal = "slit.diagonal",
    /// A distance under 10.
    SlitDistance = "slit.distance",

    /// A MADT entry's length does not fit its structure or the table.
    MadtEntryLength = "madt.entry.length",
    /// A CPU with the APIC id that means all CPUs.
    MadtCpuApicId = "madt.cpu.apic-id",
    /// Two CPUs with one APIC id.
    MadtCpuDuplicate = "madt.cpu.duplicate",
    /// The CPU that runs the kernel is not among the enabled ones.
    MadtCpuBoot = "madt.cpu.boot",

    /// An HMAT structure's length does not fit what it holds or the table.
    HmatEntryLength = "hmat.entry.length",
    /// An HMAT structure is of a type that the specification does not know.
    HmatEntryType = "hmat.entry.type",
    /// A matrix of a kind that the specification does not know.
    HmatMatrixKind = "hmat.matrix.kind",
    /// A matrix or its lists go past the structure.
    HmatMatrixSize = "hmat.matrix.size",
    /// A matrix without a unit.
    HmatUnit = "hmat.unit",
    /// A value that is more than the kernel keeps.
    HmatValue = "hmat.value",
    /// Two values for one thing.
    HmatConflict = "hmat.conflict",
    /// A domain that the SRAT does not know.
    HmatDomain = "hmat.domain",
    /// An initiator where nothing reads or writes memory.
    HmatInitiator = "hmat.initiator",
    /// A side cache at a level that there is not, or two at one.
    HmatCache = "hmat.cache",

    /// An MSCT entry's length does not fit its structure or the table.
    MsctEntryLength = "msct.entry.length",
    /// The MSCT has no domains where it says, or a range of none.
    MsctDomains = "msct.domains",

    /// The root pointer does not lie in memory.
    RsdpMemory = "rsdp.memory",
    /// The root pointer does not start with its signature.
    RsdpSignature = "rsdp.signature",
    /// The root pointer's bytes do not add up to 0.
    RsdpChecksum = "rsdp.checksum",
    /// The root pointer's length is not one that its revision has.
    RsdpLength = "rsdp.length",
    /// The root pointer has a revision that never was.
    RsdpRevision = "rsdp.revision",
    /// The root pointer leads to no root table.
    RsdpRoot = "rsdp.root",
    /// A root table's length is not that of whole entries.
    RootLength = "root.length",
    /// A root table's entry leads to no table.
    RootEntry = "root.entry",

    /// More proximity domains than the kernel keeps apart.
    DomainsFull = "domains.full",
    /// More CPUs than the kernel has room for.
    CpusFull = "cpus.full",
    /// More memory ranges than the kernel has room for.
    RangesFull = "ranges.full",
    /// More side caches than the kernel has room for.
    CachesFull = "caches.full",
    /// More tables than the kernel looks at.
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
