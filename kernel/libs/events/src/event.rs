//! The events themselves.
use alloc::borrow::Cow;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One line of the event stream; `"event"` names the variant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event<'a> {
    /// The machine as the kernel understands it. Sent once, when the page allocator is up.
    Topology {
        /// Where it came from: `srat`, `none`, `off` or `fake`.
        #[serde(borrow)]
        source: Cow<'a, str>,
        /// The nodes, by their index.
        nodes: Vec<Node>,
        /// `distances[from][to]`, 10 for a node to itself.
        distances: Vec<Vec<u8>>,
        /// For each node, every node that has memory, nearest first.
        fallback: Vec<Vec<u32>>,
        /// Latency and bandwidth, where firmware tells them; left out otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        performance: Option<Performance>,
    },
    /// A CPU that firmware lists as enabled, the boot CPU included.
    Cpu {
        /// Its index in the kernel.
        index: u32,
        /// Its local APIC's id.
        apic_id: u32,
        /// The node it belongs to.
        node: u32,
        /// Whether it runs. A CPU that did not answer is reported with `false`.
        online: bool,
    },
    /// A thread of the kernel.
    Thread {
        /// Its id, from 1.
        id: u32,
        /// Its name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// The CPU it runs on.
        cpu: u32,
        /// The node it prefers.
        node: u32,
    },
    /// A driver of the ramdisk.
    Driver {
        /// Its file name without `.so`.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// What became of it.
        status: DriverStatus,
        /// Why it was refused; empty when it was loaded.
        #[serde(borrow)]
        reason: Cow<'a, str>,
    },
    /// Something wrong in a firmware table, and what was done about it.
    Finding {
        /// The table's signature.
        #[serde(borrow)]
        table: Cow<'a, str>,
        /// Byte offset in the table of what is wrong.
        offset: u32,
        /// The rule's fixed identifier.
        #[serde(borrow)]
        rule: Cow<'a, str>,
        /// `mended`, `dropped` or `refused`.
        #[serde(borrow)]
        action: Cow<'a, str>,
        /// The same in plain words.
        #[serde(borrow)]
        what: Cow<'a, str>,
    },
    /// A benchmark's result.
    Bench {
        /// Its fixed name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// Ticks of the time stamp counter for all operations together; instructions, when the machine counts those.
        ticks: u64,
        /// How many operations that were.
        ops: u64,
    },
    /// A part of the self-test.
    Test {
        /// Its name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// Whether it held.
        ok: bool,
    },
    /// The verdict; nothing follows it.
    Exit {
        /// Whether all went well.
        ok: bool,
    },
}

/// A node in the topology event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its index.
    pub id: u32,
    /// Its proximity domain.
    pub domain: u32,
    /// Its CPUs, by index.
    pub cpus: Vec<u32>,
    /// Its memory, ascending.
    pub memory: Vec<MemoryRange>,
    /// Its usable frames, with those that the kernel itself took.
    pub pages_total: u64,
    /// Its free frames.
    pub pages_free: u64,
}

/// A range of memory in bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemoryRange {
    /// The first address.
    pub base: u64,
    /// Bytes.
    pub length: u64,
    /// `true` for memory that may be plugged in later; left out otherwise.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub hotplug: bool,
}

/// Latency and bandwidth in the topology event. Rows are by initiator, columns by node; a value is a number, `null` where
/// firmware does not say, or -1 where it says that there is no way.
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
    /// For each node the proximity domain of the initiator that its memory is attached to.
    pub attached: Vec<Option<u32>>,
    /// The caches in front of memory, by node and level.
    pub side_caches: Vec<SideCache>,
}

/// A cache in front of a node's memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SideCache {
    /// The node.
    pub node: u32,
    /// Which level, from 1.
    pub level: u8,
    /// How many levels there are.
    pub levels: u8,
    /// Bytes.
    pub size: u64,
    /// Bytes in a line.
    pub line_size: u16,
    /// 0 none, 1 direct mapped, 2 complex indexing.
    pub associativity: u8,
    /// 0 none, 1 write-back, 2 write-through.
    pub write_policy: u8,
}

/// What became of a driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverStatus {
    /// It runs.
    Loaded,
    /// It was not loaded, or did not want to start.
    Refused,
}
