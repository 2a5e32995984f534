//! Threads. Until there is a scheduler, each CPU runs one: `boot` on the boot CPU, `idle` on the others.
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};
use units::NodeId;

/// A thread's id, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadId(pub u32);

/// Where a thread wants its memory from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// The node of the CPU it runs on, else the nearest.
    Local,
    /// This node, else the nearest to it.
    Preferred(NodeId),
    /// This node or nothing.
    Strict(NodeId),
}

/// A thread's control block. It lies in memory of the node that the thread prefers.
pub struct Thread {
    /// Its id.
    pub id: ThreadId,
    /// What the log calls it.
    pub name: &'static str,
    /// The preferred node's index, or [`NONE`].
    preferred_node: AtomicI32,
    /// The policy as [`pack`]ed, or [`NONE`] where none was set.
    policy: AtomicI32,
    /// The driver whose code it runs, or null.
    driver: AtomicPtr<DriverName>,
}

/// The name of a driver whose code a thread runs.
pub struct DriverName(pub alloc::string::String);

const NONE: i32 = -1;
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

impl Thread {
    /// A new thread, which inherits the preferred node and the policy of `creator`.
    pub fn new(name: &'static str, creator: Option<&Self>) -> Self {
        let inherited =
            |field: fn(&Self) -> &AtomicI32| creator.map_or(NONE, |it| field(it).load(Ordering::Relaxed));
        Self {
            id: ThreadId(NEXT_ID.fetch_add(1, Ordering::Relaxed)),
            name,
            preferred_node: AtomicI32::new(inherited(|thread| &thread.preferred_node)),
            policy: AtomicI32::new(inherited(|thread| &thread.policy)),
            driver: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// The thread of the boot CPU before there is memory for any other.
    pub const fn first() -> Self {
        Self {
            id: ThreadId(0),
            name: "early boot",
            preferred_node: AtomicI32::new(NONE),
            policy: AtomicI32::new(NONE),
            driver: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// The node it prefers, if it does.
    pub fn preferred_node(&self) -> Option<NodeId> {
        node_from(self.preferred_node.load(Ordering::Relaxed))
    }

    /// Sets the node it prefers, and returns what it was.
    pub fn set_preferred_node(&self, node: Option<NodeId>) -> Option<NodeId> {
        let new = node.map_or(NONE, |node| node.index() as i32);
        node_from(self.preferred_node.swap(new, Ordering::Relaxed))
    }

    /// Its policy, if one was set.
    pub fn policy(&self) -> Option<Policy> {
        unpack(self.policy.load(Ordering::Relaxed))
    }

    /// Sets its policy.
    pub fn set_policy(&self, policy: Option<Policy>) {
        self.policy.store(policy.map_or(NONE, pack), Ordering::Relaxed);
    }

    /// The name of the driver whose code it runs, if it does.
    pub fn driver(&self) -> Option<&'static str> {
        // SAFETY: what `run_as_driver` stores lives for good.
        unsafe { self.driver.load(Ordering::Relaxed).as_ref() }.map(|driver| driver.0.as_str())
    }

    /// Runs `work` under the driver's name, with no preferred node and no policy; what it sets of them ends with it.
    pub fn run_as_driver<R>(&self, driver: &'static DriverName, work: impl FnOnce() -> R) -> R {
        let name_before = self.driver.swap(core::ptr::from_ref(driver).cast_mut(), Ordering::Relaxed);
        let node_before = self.preferred_node.swap(NONE, Ordering::Relaxed);
        let policy_before = self.policy.swap(NONE, Ordering::Relaxed);
        let result = work();
        self.policy.store(policy_before, Ordering::Relaxed);
        self.preferred_node.store(node_before, Ordering::Relaxed);
        self.driver.store(name_before, Ordering::Relaxed);
        result
    }
}

fn node_from(value: i32) -> Option<NodeId> {
    usize::try_from(value).ok().and_then(NodeId::new)
}

/// The kind in bits 8 and up, the node below.
fn pack(policy: Policy) -> i32 {
    match policy {
        Policy::Local => 0,
        Policy::Preferred(node) => 1 << 8 | node.index() as i32,
        Policy::Strict(node) => 2 << 8 | node.index() as i32,
    }
}

fn unpack(packed: i32) -> Option<Policy> {
    let node = node_from(packed & 0xff)?;
    match packed >> 8 {
        0 => Some(Policy::Local),
        1 => Some(Policy::Preferred(node)),
        2 => Some(Policy::Strict(node)),
        _ => None,
    }
}
