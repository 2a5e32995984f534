//! The events of COM2, as a reader sees them: the fields that are promised, and whatever else comes passed over.
use serde::Deserialize;

/// What the kernel made of the firmware's tables: event `topology`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Topology {
    /// Where it came from: `srat`, `none`, `off` or `fake`.
    pub source: String,
    /// The nodes by their number.
    pub nodes: Vec<Node>,
    /// Distance by row (from) and column (to).
    pub distances: Vec<Vec<u8>>,
    /// For each node every node that has memory, nearest first.
    pub fallback: Vec<Vec<u32>>,
}

/// A node of the topology.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Node {
    /// Its dense number.
    pub id: u32,
    /// The firmware's proximity domain.
    pub domain: u32,
    /// Its CPUs, by the kernel's number.
    pub cpus: Vec<u32>,
    /// Its memory, ascending.
    pub memory: Vec<Memory>,
    /// Usable frames, those included which the kernel took.
    pub pages_total: u64,
    /// Frames that can be had.
    pub pages_free: u64,
}

/// A range of a node's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Memory {
    /// The first address.
    pub base: u64,
    /// Bytes.
    pub length: u64,
}

/// A CPU that was to be started: event `cpu`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Cpu {
    /// The kernel's number of it.
    pub index: u32,
    /// The hardware's.
    pub apic_id: u32,
    /// Its node.
    pub node: u32,
    /// Whether it came.
    pub online: bool,
}

/// A driver of the ramdisk: event `driver`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Driver {
    /// Its file name, perhaps without the ending.
    pub name: String,
    /// `loaded` or `refused`.
    pub status: String,
    /// Why it was refused.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A fault of a firmware table: event `finding`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Finding {
    /// The table's signature.
    pub table: String,
    /// Where in the table, in bytes.
    pub offset: u32,
    /// The rule that was broken, by its fixed name.
    pub rule: String,
    /// `mended`, `dropped` or `refused`.
    pub action: String,
}

/// A part of the self-test: event `test`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Test {
    /// Which.
    pub name: String,
    /// Whether it passed.
    pub ok: bool,
}

/// A measurement: event `bench`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Bench {
    /// What was measured.
    pub name: String,
    /// Time stamp counter ticks for all operations; under `-icount`, instructions.
    pub ticks: u64,
    /// Operations.
    pub ops: u64,
}
