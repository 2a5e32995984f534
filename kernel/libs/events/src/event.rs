//! The events and their fields.
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// One line of the event stream. The field `"event"` names the variant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "a box would abort when there is no memory for it")]
pub enum Event<'a> {
    /// The machine's topology. Sent once, after the page allocator has started.
    Topology {
        /// The origin of the nodes: `srat`, `none`, `off` or `fake`.
        #[serde(borrow)]
        source: Cow<'a, str>,
        /// The nodes, ordered by index.
        nodes: Vec<Node>,
        /// The distances as `distances[from][to]`. The distance of a node to itself is 10.
        distances: Vec<Vec<u8>>,
        /// For each node, every node that has memory, nearest first.
        fallback: Vec<Vec<u32>>,
        /// Latency and bandwidth. Left out without an HMAT.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        performance: Option<Performance>,
        /// The ranges of persistent memory. Left out if there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        persistent_ranges: Vec<PersistentRange>,
        /// The generic initiators that the SRAT names, ordered by domain. Left out if there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        generic_initiators: Vec<Device>,
        /// The generic ports that the SRAT names, ordered by domain. Left out if there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        generic_ports: Vec<Device>,
        /// The machine's limits. Left out without an MSCT.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limits: Option<Limits>,
    },
    /// A CPU that firmware lists as enabled, the boot CPU included.
    Cpu {
        /// The CPU's index in the kernel.
        index: u32,
        /// The id of the CPU's local APIC.
        apic_id: u32,
        /// The CPU's node.
        node: u32,
        /// True if the CPU runs, false if it did not start.
        online: bool,
    },
    /// A thread of the kernel.
    Thread {
        /// The thread's id, counted from 1.
        id: u32,
        /// The thread's name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// The CPU that the thread runs on.
        cpu: u32,
        /// The thread's preferred node.
        node: u32,
    },
    /// A driver of the ramdisk.
    Driver {
        /// The driver's file name without `.so`.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// The result of loading the driver.
        status: DriverStatus,
        /// The reason why it was refused or has not started yet, or an empty string if it was loaded.
        #[serde(borrow)]
        reason: Cow<'a, str>,
        /// What the kernel took back from a driver that has ended.
        left: Left,
    },
    /// A fault in a firmware table, and what was done about it.
    Finding {
        /// The table's signature.
        #[serde(borrow)]
        table: Cow<'a, str>,
        /// Bytes from the table's start to the fault.
        offset: u32,
        /// The rule's fixed identifier.
        #[serde(borrow)]
        rule: Cow<'a, str>,
        /// `mended`, `dropped` or `refused`.
        #[serde(borrow)]
        action: Cow<'a, str>,
        /// The fault as a sentence.
        #[serde(borrow)]
        what: Cow<'a, str>,
    },
    /// A function of PCI.
    Device {
        /// Segment, bus, slot and function, such as `0000:00:1f.2`.
        #[serde(borrow)]
        address: Cow<'a, str>,
        /// The vendor's id.
        vendor: u32,
        /// The vendor's id of the device.
        device: u32,
        /// Base class × 65536 + subclass × 256 + programming interface.
        class: u32,
        /// The node, or -1 if it is unknown.
        node: i32,
        /// The driver that handles the function. Left out if none does.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        driver: Option<Cow<'a, str>>,
    },
    /// A benchmark's result.
    Bench {
        /// The benchmark's fixed name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// Ticks of the time stamp counter for all operations together. On a machine that counts instructions, these are
        /// instructions.
        ticks: u64,
        /// The number of operations.
        ops: u64,
    },
    /// A part of the self-test.
    Test {
        /// The test's name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// False if the test found something wrong.
        ok: bool,
        /// True if the test could not do its work. Left out otherwise.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        skipped: bool,
        /// The reason why the test was skipped. Left out otherwise.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        reason: Option<Cow<'a, str>>,
    },
    /// The verdict. No event follows it.
    Exit {
        /// True for success.
        ok: bool,
    },
}

/// A node in the topology event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// The node's index.
    pub id: u32,
    /// The proximity domain.
    pub domain: u32,
    /// The indices of the node's CPUs.
    pub cpus: Vec<u32>,
    /// The APIC ids of the node's CPUs, in the order of `cpus`.
    pub apic_ids: Vec<u32>,
    /// The node's memory ranges, in ascending order.
    pub memory: Vec<MemoryRange>,
    /// The number of usable frames, including those that the kernel itself uses.
    pub pages_total: u64,
    /// The number of free frames.
    pub pages_free: u64,
}

/// A range of memory in bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemoryRange {
    /// The first physical address.
    pub base: u64,
    /// Bytes in the range.
    pub length: u64,
    /// True for memory that may be plugged in later. Left out otherwise.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub hotplug: bool,
}

/// A range of persistent memory, which is not used unless it is also in a node's memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PersistentRange {
    /// The first physical address.
    pub base: u64,
    /// Bytes in the range.
    pub length: u64,
    /// The proximity domain, which need not be a node's.
    pub domain: u32,
    /// The index of the node that is nearest to it.
    pub node: u32,
    /// Always true: the kind of memory.
    pub persistent: bool,
}

/// A device that accesses memory, or a port behind which such a device may be found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Device {
    /// The proximity domain, which need not be a node's.
    pub domain: u32,
    /// The device as text, such as `PCI 0000:17:00.1` or `ACPI ACPI0016 (UID 3)`. `null` if the kind of handle is unknown.
    pub handle: Option<String>,
}

/// The machine's highest numbers according to an MSCT.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// The highest number of proximity domains.
    pub domains: u64,
    /// The highest number of clock domains.
    pub clock_domains: u64,
    /// The highest physical address of memory.
    pub address: u64,
}

/// Latency and bandwidth from each initiator to the generic ports of a domain, in the order of
/// [`Performance::initiators`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PortPerformance {
    /// The proximity domain of the ports.
    pub domain: u32,
    /// Latency of reads in picoseconds.
    pub read_latency_ps: Vec<Option<i32>>,
    /// Latency of writes in picoseconds.
    pub write_latency_ps: Vec<Option<i32>>,
    /// Bandwidth of reads in MB/s.
    pub read_bandwidth_mbps: Vec<Option<i32>>,
    /// Bandwidth of writes in MB/s.
    pub write_bandwidth_mbps: Vec<Option<i32>>,
}

/// Latency and bandwidth in the topology event.
///
/// Each matrix has a row for each initiator and a column for each node. A value is a number, `null` for an unspecified one,
/// or -1 for unreachable memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Performance {
    /// The initiators' proximity domains, ascending.
    pub initiators: Vec<u32>,
    /// Latency of reads in picoseconds.
    pub read_latency_ps: Vec<Vec<Option<i32>>>,
    /// Latency of writes in picoseconds.
    pub write_latency_ps: Vec<Vec<Option<i32>>>,
    /// Bandwidth of reads in MB/s.
    pub read_bandwidth_mbps: Vec<Vec<Option<i32>>>,
    /// Bandwidth of writes in MB/s.
    pub write_bandwidth_mbps: Vec<Vec<Option<i32>>>,
    /// For each node, the proximity domain of the initiator that its memory is attached to.
    pub attached: Vec<Option<u32>>,
    /// The caches in front of memory, ordered by node and level.
    pub side_caches: Vec<SideCache>,
    /// The values for generic ports, ordered by domain. Left out without ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortPerformance>,
}

/// A cache in front of a node's memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SideCache {
    /// The node of the memory.
    pub node: u32,
    /// The level of this cache, counted from 1.
    pub level: u8,
    /// The number of cache levels that the memory has.
    pub levels: u8,
    /// Bytes in the cache.
    pub size: u64,
    /// Bytes in a cache line.
    pub line_size: u16,
    /// 0 for none, 1 for direct mapped, 2 for complex indexing.
    pub associativity: u8,
    /// 0 for none, 1 for write-back, 2 for write-through.
    pub write_policy: u8,
}

/// What the kernel took back from a driver that has ended, by kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Left {
    /// Pages.
    pub pages: u32,
    /// Blocks of the heaps.
    pub heap: u32,
    /// Pieces of memory for DMA.
    pub dma: u32,
    /// Threads that ran.
    pub threads: u32,
    /// Interrupts of devices.
    pub interrupts: u32,
    /// Timers.
    pub timers: u32,
    /// Parts of devices' memory that were mapped.
    pub mappings: u32,
}

impl Left {
    /// Returns true if nothing was left.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Left {
    /// Writes the kinds of which something was left, as "2 pages, 1 timers".
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.pages, "pages"),
            (self.heap, "heap blocks"),
            (self.dma, "pieces of DMA memory"),
            (self.threads, "threads"),
            (self.interrupts, "interrupts"),
            (self.timers, "timers"),
            (self.mappings, "mappings"),
        ];
        let left = kinds.into_iter().filter(|(count, _)| *count > 0);
        left.enumerate().try_for_each(|(index, (count, kind))| {
            write!(out, "{}{count} {kind}", if index > 0 { ", " } else { "" })
        })
    }
}

/// The result of loading a driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverStatus {
    /// The driver runs.
    Loaded,
    /// The driver was not loaded, or its start function reported a failure.
    Refused,
    /// The driver's start function has not returned in time. When it returns, another event has the result.
    Starting,
    /// The driver has ended, and is no longer in memory.
    Unloaded,
    /// The driver's code has raised an exception, and the driver has ended.
    Failed,
}
