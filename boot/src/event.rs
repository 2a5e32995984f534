//! The events of COM2 as a reader sees them: the promised fields. Other fields are ignored.
use serde::Deserialize;

/// The topology that the kernel has built: event `topology`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Topology {
    /// The source of the nodes: `srat`, `none`, `off` or `fake`.
    pub source: String,
    /// The nodes, by their ids.
    pub nodes: Vec<Node>,
    /// The distances, by row (from) and column (to).
    pub distances: Vec<Vec<u8>>,
    /// For each node, every node that has memory, nearest first.
    pub fallback: Vec<Vec<u32>>,
}

/// A node of the topology.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Node {
    /// The dense id.
    pub id: u32,
    /// The proximity domain.
    pub domain: u32,
    /// The CPUs, by the kernel's index.
    pub cpus: Vec<u32>,
    /// The ranges of memory, ascending.
    pub memory: Vec<Memory>,
    /// The number of usable frames, including those that the kernel uses.
    pub pages_total: u64,
    /// The number of free frames.
    pub pages_free: u64,
}

/// A range of a node's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Memory {
    /// The first address.
    pub base: u64,
    /// The length in bytes.
    pub length: u64,
}

/// A CPU that the kernel has tried to start: event `cpu`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Cpu {
    /// The kernel's index.
    pub index: u32,
    /// The APIC id.
    pub apic_id: u32,
    /// The node.
    pub node: u32,
    /// Whether the CPU is online.
    pub online: bool,
}

/// A driver of the ramdisk: event `driver`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Driver {
    /// The file name, perhaps without its ending.
    pub name: String,
    /// `loaded`, `refused`, `unloaded`, or `starting` if the outcome comes later, in another event.
    pub status: String,
    /// The reason of a refusal or a delay.
    #[serde(default)]
    pub reason: Option<String>,
    /// What was left of a driver that has ended.
    #[serde(default)]
    pub left: Option<Left>,
}

/// What a driver has left, by kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
pub struct Left {
    /// Pages.
    pub pages: u32,
    /// Heap blocks.
    pub heap: u32,
    /// DMA memory.
    pub dma: u32,
    /// Threads that ran.
    pub threads: u32,
    /// Interrupts.
    pub interrupts: u32,
    /// Timers.
    pub timers: u32,
    /// Mappings of devices' memory.
    pub mappings: u32,
}

impl Left {
    /// Returns true if nothing was left.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A fault of a firmware table: event `finding`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Finding {
    /// The table's signature.
    pub table: String,
    /// The offset in the table, in bytes.
    pub offset: u32,
    /// The fixed identifier of the rule that was broken.
    pub rule: String,
    /// `mended`, `dropped` or `refused`.
    pub action: String,
}

/// A self-test: event `test`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Test {
    /// The name.
    pub name: String,
    /// Whether the test found nothing wrong.
    pub ok: bool,
    /// Whether the test could not do its work.
    #[serde(default)]
    pub skipped: bool,
    /// Why the test was skipped.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A function of PCI: event `device`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Device {
    /// Segment, bus, slot and function, such as `0000:00:1f.2`.
    pub address: String,
    /// The vendor's id.
    pub vendor: u32,
    /// The vendor's id of the device.
    pub device: u32,
    /// Base class × 65536 + subclass × 256 + interface.
    pub class: u32,
    /// The node, or -1 if it is unknown.
    pub node: i32,
    /// The driver that handles the function, if one does.
    #[serde(default)]
    pub driver: Option<String>,
}

/// A measurement: event `bench`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Bench {
    /// The name.
    pub name: String,
    /// Ticks of the time stamp counter for all operations; under `-icount` these are instructions.
    pub ticks: u64,
    /// The number of operations.
    pub ops: u64,
}
