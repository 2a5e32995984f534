//! NUMA: nodes, distances, and which node's memory a thread gets.
use core::ffi::c_int;
use core::mem::{offset_of, size_of};

/// `NumaPolicy.Kind`: the running CPU's node, else the nearest to it.
pub const NUMA_POLICY_LOCAL: u32 = 0;
/// `NumaPolicy.Kind`: `Node`, else the nearest to it.
pub const NUMA_POLICY_PREFERRED: u32 = 1;
/// `NumaPolicy.Kind`: `Node`, and no other.
pub const NUMA_POLICY_STRICT: u32 = 2;
/// `NumaPolicy.Kind`: the nearest of `Nodes`, and no other.
pub const NUMA_POLICY_SET: u32 = 3;
/// `NumaPolicy.Kind`: each of `Nodes` in turn, ascending; else the nearest to the one whose turn it is.
pub const NUMA_POLICY_INTERLEAVE: u32 = 4;
/// `NumaPolicy.Kind`: the same, each node as often in a row as its weight says.
pub const NUMA_POLICY_WEIGHTED: u32 = 5;

/// One node.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumaNodeInfo {
    /// Firmware's name for the node, its proximity domain. Not the kernel's index.
    pub NodeId: u32,
    /// CPUs on the node; 0 is possible.
    pub CpuCount: u32,
    /// The lowest address of the node's memory.
    pub MemoryBase: u64,
    /// Bytes of the node's memory, holes not counted; 0 is possible.
    pub MemorySize: u64,
    /// The node has CPUs or memory.
    pub IsValid: bool,
}

/// Which nodes' memory to take. The driver sets `Size`; what a kind does not read is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumaPolicy {
    /// Bytes in this structure.
    pub Size: u32,
    /// One of the `NUMA_POLICY_` numbers.
    pub Kind: u32,
    /// The node of a preferred or strict policy.
    pub Node: i32,
    /// Zero.
    pub Reserved: u32,
    /// The nodes of a set, interleaved or weighted policy: bit n of word n/64 is node n.
    pub Nodes: [u64; 2],
    /// The weights of a weighted policy, one for each node of the machine; a node of weight 0 has no turn. Else null.
    pub Weights: *const u8,
}

impl NumaPolicy {
    /// The running CPU's node, else the nearest to it.
    #[must_use]
    pub const fn local() -> Self {
        Self::of(NUMA_POLICY_LOCAL, 0)
    }

    /// This node, else the nearest to it.
    #[must_use]
    pub const fn preferred(node: i32) -> Self {
        Self::of(NUMA_POLICY_PREFERRED, node)
    }

    /// This node, and no other.
    #[must_use]
    pub const fn strict(node: i32) -> Self {
        Self::of(NUMA_POLICY_STRICT, node)
    }

    /// The nearest of these nodes, and no other; bit n of word n/64 is node n.
    #[must_use]
    pub const fn set(nodes: [u64; 2]) -> Self {
        Self { Nodes: nodes, ..Self::of(NUMA_POLICY_SET, 0) }
    }

    /// These nodes in turn; bit n of word n/64 is node n.
    #[must_use]
    pub const fn interleave(nodes: [u64; 2]) -> Self {
        Self { Nodes: nodes, ..Self::of(NUMA_POLICY_INTERLEAVE, 0) }
    }

    /// These nodes in turn, each as often in a row as its weight says: one byte for each node of the machine.
    #[must_use]
    pub const fn weighted(nodes: [u64; 2], weights: *const u8) -> Self {
        Self { Nodes: nodes, Weights: weights, ..Self::of(NUMA_POLICY_WEIGHTED, 0) }
    }

    const fn of(kind: u32, node: i32) -> Self {
        Self {
            Size: size_of::<Self>() as u32,
            Kind: kind,
            Node: node,
            Reserved: 0,
            Nodes: [0; 2],
            Weights: core::ptr::null(),
        }
    }
}

unsafe extern "C" {
    /// The number of nodes: at least 1.
    pub fn Kernel_GetNumaNodeCount() -> c_int;

    /// Describes the node with this index.
    ///
    /// Returns false, and writes nothing, when there is no such node or `info` is null, misaligned or not mapped.
    pub fn Kernel_GetNumaNodeInfo(node: c_int, info: *mut NumaNodeInfo) -> bool;

    /// The node of the CPU with this index; -1: no such CPU.
    pub fn Kernel_GetNumaNodeForCpu(cpu: c_int) -> c_int;

    /// The node of the CPU that runs the caller.
    pub fn Kernel_GetCurrentNumaNode() -> c_int;

    /// The distance from one node to another, as firmware's SLIT has it: 10 is local, 20 twice as far.
    ///
    /// 10 and 20 where there is no SLIT. -1: one of the two is no node.
    pub fn Kernel_GetNumaDistance(from: c_int, to: c_int) -> c_int;

    /// The node of the memory at this physical address; -1: no memory that the kernel manages.
    pub fn Kernel_GetNumaNodeForAddress(address: u64) -> c_int;

    /// The same, for a page's address.
    pub fn Kernel_GetPageNumaNode(page: u64) -> c_int;

    /// Whether there is more than one node.
    pub fn Kernel_IsNumaAvailable() -> bool;

    /// Whether the distances came from a SLIT.
    pub fn Kernel_HasNumaDistanceMatrix() -> bool;

    /// Sets the calling thread's preferred node, whose memory it then gets first; -1 clears it.
    ///
    /// Returns the node that was preferred before, -1 for none. -2: no such node, and nothing is changed.
    pub fn Kernel_SetPreferredNumaNode(node: c_int) -> c_int;

    /// The calling thread's preferred node; -1: none.
    pub fn Kernel_GetPreferredNumaNode() -> c_int;

    /// Sets the calling thread's policy, which goes before its preferred node. Turns begin at the lowest node.
    ///
    /// Nodes without memory have no part in a policy of several, nor have those of weight 0. The weights are copied.
    ///
    /// Returns 0. -1, and nothing is changed: `policy` is null, misaligned or not mapped, its `Size` is too small or
    /// its tail is not zero, its `Kind` is unknown, its `Node` is no node, `Reserved` is not zero, `Nodes` has a bit for
    /// a node that the machine does not have or none for one that has a part, or `Weights` is null or not mapped.
    pub fn Kernel_SetNumaPolicy(policy: *const NumaPolicy) -> c_int;

    /// Reads the calling thread's policy. The driver sets `policy->Size` and `policy->Weights` first.
    ///
    /// A thread that has set none is answered by what it gets: preferred with its preferred node, or local without
    /// one. `Nodes` are those that have a part in the policy. The weights of a weighted one are written to `Weights`, a
    /// byte for each node of the machine, unless that is null; of any other it becomes null. Returns 0. -1, and nothing
    /// is written: `policy` is null, misaligned or not mapped, its `Size` is too small or its tail is not zero, or the
    /// weights cannot be written.
    pub fn Kernel_GetNumaPolicy(policy: *mut NumaPolicy) -> c_int;
}

const _: () = {
    assert!(size_of::<NumaNodeInfo>() == 32);
    assert!(offset_of!(NumaNodeInfo, NodeId) == 0);
    assert!(offset_of!(NumaNodeInfo, CpuCount) == 4);
    assert!(offset_of!(NumaNodeInfo, MemoryBase) == 8);
    assert!(offset_of!(NumaNodeInfo, MemorySize) == 16);
    assert!(offset_of!(NumaNodeInfo, IsValid) == 24);

    assert!(size_of::<NumaPolicy>() == 40);
    assert!(offset_of!(NumaPolicy, Size) == 0);
    assert!(offset_of!(NumaPolicy, Kind) == 4);
    assert!(offset_of!(NumaPolicy, Node) == 8);
    assert!(offset_of!(NumaPolicy, Reserved) == 12);
    assert!(offset_of!(NumaPolicy, Nodes) == 16);
    assert!(offset_of!(NumaPolicy, Weights) == 32);
};
