//! Threads: the control block.
use super::driver::Driver;
use super::per_cpu;
use super::policy::{Packed, PolicyGuard, PolicyNodes};
use super::sleep::SleepLink;
use crate::arch::{self, Context};
use crate::memory::page_allocator::{self, Zeroed};
use crate::memory::stack::Stack;
use crate::platform::numa_topology;
use crate::sync::WaitQueue;
use arrayvec::ArrayString;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use page_alloc::Cursor;
pub use page_alloc::Policy;
use scheduling::{CpuSet, WORDS};
use units::{CpuId, FRAME_SIZE, FrameNumber, NodeId};

/// A thread's id, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ThreadId(pub u32);

/// A thread's name; a longer one is cut.
pub type Name = ArrayString<32>;

/// What a thread does.
#[derive(Clone, Copy)]
pub struct Start {
    /// Called on the thread's own stack; what it returns is the exit code.
    pub entry: unsafe extern "C" fn(*mut core::ffi::c_void) -> i32,
    /// What it is called with.
    pub argument: *mut core::ffi::c_void,
}

/// A thread's control block: a page of the node that it prefers.
///
/// It lives until the thread is joined; the kernel's own threads live for good. Whoever finds it by its id holds the table of
/// threads meanwhile; whoever finds it in a list, that list's lock.
#[repr(C, align(64))]
pub struct Thread {
    /// Where it goes on.
    pub context: Context,
    /// The next in the list that it is in.
    pub next: AtomicPtr<Thread>,
    /// The CPU that it runs on, is queued at, or ran on last.
    cpu: AtomicU32,
    /// Set when it may no longer run where it is.
    pub must_move: AtomicBool,
    /// Its id.
    pub id: ThreadId,
    /// What the log calls it.
    pub name: Name,
    /// The CPUs that it may run on.
    affinity: [AtomicU64; WORDS],
    /// The preferred node's index, or [`NONE`].
    preferred_node: AtomicI32,
    /// The policy, [`Packed`].
    policy: AtomicI32,
    /// What of the policy does not fit there.
    policy_nodes: PolicyNodes,
    /// What policy and preferred node come to, [`Packed`].
    placement: AtomicI32,
    /// The driver whose code it runs, or null.
    driver: AtomicPtr<Driver>,
    /// Whether that driver created it.
    created_by_driver: AtomicBool,
    /// What it does; the thread itself takes it when it begins.
    pub start: Cell<Option<Start>>,
    /// Its stack, while it has one that is its own.
    pub stack: Cell<Option<Stack>>,
    /// When it is to wake, in ticks of the time stamp counter.
    pub wake_at: AtomicU64,
    /// Its place among the sleepers.
    pub sleep_link: SleepLink,
    /// Its exit code, once it has finished and its stack is given back.
    pub finished: WaitQueue<Option<i32>>,
    /// What it exited with.
    exit_code: AtomicI32,
    /// Whether somebody joins it.
    pub joined: AtomicBool,
}

// SAFETY: what changes is atomic or behind a lock, but for `start`, which only the thread itself touches once it runs, and
// `stack`, which only the reaper touches once it does not.
unsafe impl Sync for Thread {}

const NONE: i32 = -1;
const EVERYWHERE: u64 = u64::MAX;

impl Thread {
    /// The boot CPU's thread before there is memory for any other.
    pub const fn first() -> Self {
        Self {
            context: Context::running(),
            next: AtomicPtr::new(core::ptr::null_mut()),
            cpu: AtomicU32::new(0),
            must_move: AtomicBool::new(false),
            id: ThreadId(0),
            name: Name::new_const(),
            affinity: [const { AtomicU64::new(EVERYWHERE) }; WORDS],
            preferred_node: AtomicI32::new(NONE),
            policy: AtomicI32::new(Packed::NONE.0),
            policy_nodes: PolicyNodes::new(),
            placement: AtomicI32::new(Packed::LOCAL.0),
            driver: AtomicPtr::new(core::ptr::null_mut()),
            created_by_driver: AtomicBool::new(false),
            start: Cell::new(None),
            stack: Cell::new(None),
            wake_at: AtomicU64::new(0),
            sleep_link: SleepLink::new(),
            finished: WaitQueue::new(None),
            exit_code: AtomicI32::new(0),
            joined: AtomicBool::new(false),
        }
    }

    /// A new control block in a page of `node`, or of the nearest that has one. It inherits preferred node, policy and driver
    /// of `creator`; a driver counts it as its own. `None`: there is no memory.
    pub fn create(
        id: ThreadId,
        name: &str,
        node: NodeId,
        creator: &Self,
        context: Context,
    ) -> Option<&'static Self> {
        const { assert!(size_of::<Thread>() <= FRAME_SIZE as usize) };
        let frame = page_allocator::allocate_for_kernel(node, 1, Zeroed::No)?.frame;
        let (policy, policy_nodes) = creator.packed_policy();
        let thread = Self {
            context,
            id,
            name: cut_name(name),
            preferred_node: AtomicI32::new(creator.preferred_node.load(Ordering::Relaxed)),
            policy: AtomicI32::new(policy.0),
            policy_nodes: policy_nodes.copy_for(policy),
            placement: AtomicI32::new(creator.placement.load(Ordering::Relaxed)),
            driver: AtomicPtr::new(creator.driver.load(Ordering::Relaxed)),
            created_by_driver: AtomicBool::new(creator.driver().is_some()),
            ..Self::first()
        };
        if let Some(driver) = creator.driver() {
            driver.add_thread();
        }
        let place = arch::physical_memory(frame.address()).cast::<Self>();
        // SAFETY: the page is fresh, large enough, and the thread's until `destroy`.
        unsafe {
            place.write(thread);
            Some(&*place)
        }
    }

    /// Gives the control block's page back.
    ///
    /// # Safety
    /// The thread came from [`Thread::create`], has finished, and nobody refers to it any more.
    pub unsafe fn destroy(&'static self) {
        let address = arch::translate(units::VirtAddr(core::ptr::from_ref(self).addr() as u64));
        if let Some(address) = address {
            // It was granted as one page, by `create`.
            let _ = page_allocator::free_for_kernel(FrameNumber::containing(address), 1);
        }
    }

    /// The CPU that it runs on, is queued at, or ran on last.
    #[inline]
    pub fn cpu(&self) -> CpuId {
        CpuId(self.cpu.load(Ordering::Relaxed))
    }

    /// Notes the CPU.
    #[inline]
    pub fn set_cpu(&self, cpu: CpuId) {
        self.cpu.store(cpu.0, Ordering::Relaxed);
    }

    /// Whether it may run on this CPU.
    #[inline]
    pub fn may_run_on(&self, cpu: CpuId) -> bool {
        let word = self.affinity.get(cpu.index() / 64);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (cpu.index() % 64)) != 0)
    }

    /// One word of the CPUs that it may run on.
    #[inline]
    pub fn affinity_word(&self, index: usize) -> u64 {
        self.affinity.get(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// The CPUs that it may run on.
    pub fn affinity(&self) -> CpuSet {
        CpuSet::from_words(&core::array::from_fn::<_, WORDS, _>(|index| self.affinity_word(index)))
    }

    /// Sets the CPUs that it may run on; where it is now is for the caller to put right.
    pub fn set_affinity(&self, cpus: &CpuSet) {
        for (word, new) in self.affinity.iter().zip(cpus.words()) {
            word.store(*new, Ordering::Relaxed);
        }
    }

    /// What it exited with.
    pub fn exit_code(&self) -> i32 {
        self.exit_code.load(Ordering::Relaxed)
    }

    /// Notes what it exits with.
    pub fn set_exit_code(&self, code: i32) {
        self.exit_code.store(code, Ordering::Relaxed);
    }

    /// The node where it wants its memory, by policy or preference, if it does not take that of the CPU it runs on: of a set
    /// the nearest to the running CPU; none where nodes come in turn.
    pub fn home(&self) -> Option<NodeId> {
        match self.policy() {
            Some(Policy::Preferred(node) | Policy::Strict(node)) => Some(node),
            Some(Policy::Set(nodes)) => {
                let order = numa_topology::get().fallback(per_cpu::current().preferred_node);
                order.iter().copied().find(|node| nodes.contains(*node))
            }
            Some(Policy::Local | Policy::Interleave(_) | Policy::Weighted(..)) => None,
            None => self.preferred_node(),
        }
    }

    /// The node it prefers, if it does.
    pub fn preferred_node(&self) -> Option<NodeId> {
        node_from(self.preferred_node.load(Ordering::Relaxed))
    }

    /// Sets the node it prefers, and returns what it was.
    pub fn set_preferred_node(&self, node: Option<NodeId>) -> Option<NodeId> {
        let new = node.map_or(NONE, |node| node.index() as i32);
        let old = node_from(self.preferred_node.swap(new, Ordering::Relaxed));
        self.place();
        old
    }

    /// Its policy, if one was set.
    pub fn policy(&self) -> Option<Policy<'_>> {
        let (packed, nodes) = self.packed_policy();
        nodes.unpack(packed)
    }

    /// The same, as it is kept.
    pub fn packed_policy(&self) -> (Packed, &PolicyNodes) {
        (Packed(self.policy.load(Ordering::Relaxed)), &self.policy_nodes)
    }

    /// Where its turns stand, when it takes memory of several nodes in turn.
    #[inline]
    pub fn cursor(&self) -> Cursor {
        self.policy_nodes.cursor()
    }

    /// Notes where its turns stand.
    #[inline]
    pub fn set_cursor(&self, cursor: Cursor) {
        self.policy_nodes.set_cursor(cursor);
    }

    /// Whether its memory is that of the CPU's node.
    ///
    /// # Safety
    /// This is the running thread.
    #[inline]
    pub unsafe fn takes_local_memory(&self) -> bool {
        // SAFETY: the thread alone writes it once it runs, and others only read it. No atomic load: an instruction less.
        unsafe { self.placement.as_ptr().read() == Packed::LOCAL.0 }
    }

    /// Where it wants its memory: its policy, or else its preferred node.
    #[inline]
    pub fn placement(&self) -> Packed {
        Packed(self.placement.load(Ordering::Relaxed))
    }

    /// Notes that after a change of one of the two.
    fn place(&self) {
        let placement = match (Packed(self.policy.load(Ordering::Relaxed)), self.preferred_node()) {
            (Packed::NONE, None) => Packed::LOCAL,
            (Packed::NONE, Some(node)) => Packed::preferred(node),
            (policy, _) => policy,
        };
        self.placement.store(placement.0, Ordering::Relaxed);
    }

    /// Sets its policy: the thread's own affair, or that of whoever creates it.
    pub fn set_policy(&self, policy: Option<Policy<'_>>) {
        let packed = policy.map_or(Packed::NONE, |policy| self.policy_nodes.pack(policy));
        self.policy.store(packed.0, Ordering::Relaxed);
        self.place();
    }

    /// The driver whose code it runs, if it does.
    pub fn driver(&self) -> Option<&'static Driver> {
        // SAFETY: what `run_as_driver` stores lives for good.
        unsafe { self.driver.load(Ordering::Relaxed).as_ref() }
    }

    /// That driver's name.
    pub fn driver_name(&self) -> Option<&'static str> {
        self.driver().map(Driver::name)
    }

    /// Whether a driver created it: such a thread may end itself, and drivers may wait for it and move it.
    pub fn is_drivers_own(&self) -> bool {
        self.created_by_driver.load(Ordering::Relaxed)
    }

    /// Lets the driver that created it, if one did, know that it has run for the last time.
    pub fn leave_driver(&self) {
        if let Some(driver) = self.driver().filter(|_| self.is_drivers_own()) {
            driver.remove_thread();
        }
    }

    /// Runs `work` as the driver's, with no preferred node and no policy; what it sets of them ends with it.
    pub fn run_as_driver<R>(&self, driver: &'static Driver, work: impl FnOnce() -> R) -> R {
        let driver_before = self.driver.swap(core::ptr::from_ref(driver).cast_mut(), Ordering::Relaxed);
        let node_before = self.preferred_node.swap(NONE, Ordering::Relaxed);
        let policy_before = PolicyGuard::new(self, None);
        let result = work();
        drop(policy_before);
        self.preferred_node.store(node_before, Ordering::Relaxed);
        self.place();
        self.driver.store(driver_before, Ordering::Relaxed);
        result
    }
}

fn cut_name(name: &str) -> Name {
    let mut cut = Name::new();
    for letter in name.chars() {
        let letter = if letter.is_control() { '?' } else { letter };
        if cut.try_push(letter).is_err() {
            break;
        }
    }
    cut
}

fn node_from(value: i32) -> Option<NodeId> {
    usize::try_from(value).ok().and_then(NodeId::new)
}
