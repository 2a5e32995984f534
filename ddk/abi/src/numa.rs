//! NUMA: nodes, distances, and the policies that say which node's memory a thread gets.
use core::ffi::c_int;
use core::mem::{offset_of, size_of};

/// `NumaPolicy.Kind`: memory comes from the running CPU's node, or from the nearest node that has some.
pub const NUMA_POLICY_LOCAL: u32 = 0;
/// `NumaPolicy.Kind`: memory comes from `Node`, or from the nearest node that has some.
pub const NUMA_POLICY_PREFERRED: u32 = 1;
/// `NumaPolicy.Kind`: memory comes from `Node` only.
pub const NUMA_POLICY_STRICT: u32 = 2;
/// `NumaPolicy.Kind`: memory comes from the nearest of `Nodes` that has some, and from no other node.
pub const NUMA_POLICY_SET: u32 = 3;
/// `NumaPolicy.Kind`: memory comes from each of `Nodes` in turn, ascending. If the node whose turn it is has none, memory
/// comes from the nearest node that has some.
pub const NUMA_POLICY_INTERLEAVE: u32 = 4;
/// `NumaPolicy.Kind`: memory comes from each of `Nodes` in turn, ascending, as many times in a row as the node's weight
/// says. If the node whose turn it is has none, memory comes from the nearest node that has some.
pub const NUMA_POLICY_WEIGHTED: u32 = 5;

/// One node.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumaNodeInfo {
    /// The node's proximity domain, which is firmware's number for it. This is not the kernel's index.
    pub NodeId: u32,
    /// The number of CPUs on the node; may be 0.
    pub CpuCount: u32,
    /// The lowest address of the node's memory.
    pub MemoryBase: u64,
    /// The size of the node's memory in bytes, without holes; may be 0.
    pub MemorySize: u64,
    /// True if the node has CPUs or memory.
    pub IsValid: bool,
}

/// The numbers of a node, in pages. The driver sets `Size`, the kernel sets the rest. All but the first four count since boot, as Linux does.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumaNodeStatistics {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// 0.
    pub Reserved: u32,
    /// The pages of the node's memory, including those in use since boot.
    pub Total: u64,
    /// The pages that the kernel hands out: the free and the granted ones.
    pub Managed: u64,
    /// The free pages.
    pub Free: u64,
    /// The pages of the largest free chunk of a power of two, at most 1 GiB; 0 if no page is free outside of CPUs' caches.
    pub LargestFree: u64,
    /// Pages that were granted from here and wanted from here.
    pub Hit: u64,
    /// Pages that were granted from here and wanted from another node.
    pub Miss: u64,
    /// Pages that were wanted from here and came from another node.
    pub Foreign: u64,
    /// Pages that were granted from here as interleaving chose: a part of `Hit`.
    pub InterleaveHit: u64,
    /// Pages that were granted from here to a CPU of this node.
    pub Local: u64,
    /// Pages that were granted from here to a CPU of another node.
    pub Other: u64,
    /// Frees of pages of this node that were refused. This counts calls and not pages.
    pub Refused: u64,
}

/// A policy: which nodes memory comes from. The driver sets `Size`. Fields that a kind does not use are zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumaPolicy {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// One of the `NUMA_POLICY_` numbers.
    pub Kind: u32,
    /// The node of a preferred or strict policy.
    pub Node: i32,
    /// Must be zero.
    pub Reserved: u32,
    /// The nodes of a set, interleaved or weighted policy: bit n of word n/64 is node n.
    pub Nodes: [u64; 2],
    /// The weights of a weighted policy, one byte for each node of the machine. A node of weight 0 has no turn. Null for
    /// the other kinds.
    pub Weights: *const u8,
}

impl NumaPolicy {
    /// Returns the policy of kind [`NUMA_POLICY_LOCAL`].
    #[must_use]
    pub const fn local() -> Self {
        Self::of(NUMA_POLICY_LOCAL, 0)
    }

    /// Returns the policy of kind [`NUMA_POLICY_PREFERRED`] for `node`.
    #[must_use]
    pub const fn preferred(node: i32) -> Self {
        Self::of(NUMA_POLICY_PREFERRED, node)
    }

    /// Returns the policy of kind [`NUMA_POLICY_STRICT`] for `node`.
    #[must_use]
    pub const fn strict(node: i32) -> Self {
        Self::of(NUMA_POLICY_STRICT, node)
    }

    /// Returns the policy of kind [`NUMA_POLICY_SET`] for `nodes`: bit n of word n/64 is node n.
    #[must_use]
    pub const fn set(nodes: [u64; 2]) -> Self {
        Self { Nodes: nodes, ..Self::of(NUMA_POLICY_SET, 0) }
    }

    /// Returns the policy of kind [`NUMA_POLICY_INTERLEAVE`] for `nodes`: bit n of word n/64 is node n.
    #[must_use]
    pub const fn interleave(nodes: [u64; 2]) -> Self {
        Self { Nodes: nodes, ..Self::of(NUMA_POLICY_INTERLEAVE, 0) }
    }

    /// Returns the policy of kind [`NUMA_POLICY_WEIGHTED`] for `nodes`: bit n of word n/64 is node n. `weights` points to
    /// one byte for each node of the machine.
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
    /// Returns the number of nodes: at least 1.
    pub fn Kernel_GetNumaNodeCount() -> c_int;

    /// Describes the node with this index.
    ///
    /// Returns true, and fills `info`. Returns false, and writes nothing, if there is no such node, or if `info` is null,
    /// misaligned or not mapped.
    pub fn Kernel_GetNumaNodeInfo(node: c_int, info: *mut NumaNodeInfo) -> bool;

    /// Returns the node of the CPU with this index; -1 if there is no such CPU.
    pub fn Kernel_GetNumaNodeForCpu(cpu: c_int) -> c_int;

    /// Returns the node of the CPU that runs the caller.
    pub fn Kernel_GetCurrentNumaNode() -> c_int;

    /// Returns the distance between two nodes, as firmware's SLIT gives it: 10 is local, 20 is twice as far.
    ///
    /// Without a SLIT, a node is at distance 10 from itself and at distance 20 from every other node. Returns -1 if one of
    /// the two nodes does not exist.
    pub fn Kernel_GetNumaDistance(from: c_int, to: c_int) -> c_int;

    /// Returns the node of the memory at this physical address; -1 if the kernel manages no memory there.
    pub fn Kernel_GetNumaNodeForAddress(address: u64) -> c_int;

    /// Returns the node of the page at this physical address; -1 if the kernel manages no memory there.
    pub fn Kernel_GetPageNumaNode(page: u64) -> c_int;

    /// Returns true if there is more than one node.
    pub fn Kernel_IsNumaAvailable() -> bool;

    /// Returns true if the distances come from a SLIT.
    pub fn Kernel_HasNumaDistanceMatrix() -> bool;

    /// Sets the calling thread's preferred node, from which its memory comes first; -1 clears it.
    ///
    /// Returns the node that was preferred before; -1 if there was none. Returns -2, and changes nothing, if there is no
    /// such node.
    pub fn Kernel_SetPreferredNumaNode(node: c_int) -> c_int;

    /// Returns the calling thread's preferred node; -1 if there is none.
    pub fn Kernel_GetPreferredNumaNode() -> c_int;

    /// Sets the calling thread's policy, which takes precedence over its preferred node. Turns begin at the lowest node.
    ///
    /// A policy of several nodes leaves out nodes without memory and nodes of weight 0. The kernel copies the weights.
    ///
    /// Returns 0. Returns -1, and changes nothing, if `policy` is null, misaligned or not mapped; if `Size` is too small,
    /// or the tail is not zero; if `Kind` is unknown; if `Node` does not exist; if `Reserved` is not zero; if `Nodes` names a
    /// node that does not exist, or none that the policy can use; or if `Weights` is null or not mapped.
    pub fn Kernel_SetNumaPolicy(policy: *const NumaPolicy) -> c_int;

    /// Reads the calling thread's policy. The driver sets `policy->Size` and `policy->Weights` first.
    ///
    /// For a thread without a policy, the answer is preferred with its preferred node, or local if it has none. `Nodes`
    /// are the nodes that the policy uses. For a weighted policy, the kernel writes the weights to `Weights`, one byte for
    /// each node of the machine, unless that is null. For any other kind it sets `Weights` to null.
    ///
    /// Returns 0. Returns -1, and writes nothing, if `policy` is null, misaligned or not mapped; if `Size` is too small, or
    /// the tail is not zero; or if the weights cannot be written.
    pub fn Kernel_GetNumaPolicy(policy: *mut NumaPolicy) -> c_int;

    /// \[thread\] Returns the numbers of a node at this moment. The caller sets `statistics->Size`.
    ///
    /// Returns true, and fills `*statistics`. Returns false, and changes nothing, if there is no such node, if `statistics` is null,
    /// misaligned or not writable, if its `Size` or the tail behind the known part is wrong, in a handler, and with interrupts off.
    pub fn Kernel_GetNumaNodeStatistics(node: c_int, statistics: *mut NumaNodeStatistics) -> bool;
}

const _: () = {
    assert!(size_of::<NumaNodeStatistics>() == 96);
    assert!(offset_of!(NumaNodeStatistics, Total) == 8);
    assert!(offset_of!(NumaNodeStatistics, LargestFree) == 32);
    assert!(offset_of!(NumaNodeStatistics, Refused) == 88);
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
