//! The control block of a thread.
use super::owner::Owner;
use super::used_kinds::UsedKind;
use crate::arch::{self, Context};
use crate::memory::allocate::{self, Zeroed};
pub use crate::memory::memory_context::MemoryContext;
use crate::memory::page_tables;
use crate::memory::page_uses::PageUse;
use crate::memory::stack::Stack;
use crate::sync::{Rank, SpinLock};
use arrayvec::ArrayString;
use core::ffi::c_void;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use intrusive_collections::RBTreeAtomicLink;
use run_queue::{Blocked, Entry, Runnable, State};
use scheduling::CpuSet;
use thread_end::ThreadEnd;
pub use thread_table::ThreadId;
use units::{CpuId, FRAME_SIZE, FrameNumber, NodeId, VirtAddr};

/// A thread's name; a longer one is cut.
pub type Name = ArrayString<32>;

/// What a thread executes.
#[derive(Clone, Copy)]
pub struct Start {
    entry: unsafe extern "C" fn(*mut c_void) -> i32,
    argument: *mut c_void,
}

// SAFETY: the pointer is only copied and handed to `entry`, which `Start::new` allows on any thread.
unsafe impl Send for Start {}
// SAFETY: nothing changes the pointer, and `entry` alone, which `Start::new` allows on any thread, follows it.
unsafe impl Sync for Start {}

impl Start {
    /// Makes a thread call `entry` with `argument` on its own stack. The result is the exit code.
    ///
    /// # Safety
    /// `entry` may be called with `argument` once, on another thread, at any time from now on.
    pub unsafe fn new(entry: unsafe extern "C" fn(*mut c_void) -> i32, argument: *mut c_void) -> Self {
        Self { entry, argument }
    }

    /// Calls the entry.
    pub(super) fn call(self) -> i32 {
        // SAFETY: by the condition of `Start::new`, this one call is allowed on this thread.
        unsafe { (self.entry)(self.argument) }
    }
}

/// The control block of a thread: a page of the node that the thread prefers.
///
/// It begins with the parts that lower layers read. Everything that changes after its creation is atomic or behind a lock.
#[repr(C, align(64))]
pub struct Thread {
    /// Where the thread continues when a CPU switches to it.
    pub(super) context: Context,
    /// Where the thread's memory comes from.
    pub memory: MemoryContext,
    /// The thread's state, CPU, affinity and link in a list.
    entry: Entry<Self>,
    /// The thread's id.
    pub id: ThreadId,
    /// The name that the log uses.
    pub name: Name,
    /// What the thread executes; `None` for a CPU's first thread, which runs already.
    pub(super) start: Option<Start>,
    /// The driver whose code the thread runs.
    driver: Option<&'static Owner>,
    /// When the thread is to wake, by the clock of the CPU where it sleeps. Does not change while the thread is among the sleepers.
    pub(super) wake_at: AtomicU64,
    /// The thread's link in the tree of sleepers.
    pub(super) sleep_link: RBTreeAtomicLink,
    /// Ticks in which the thread ran. Only its CPU changes this.
    ticks: AtomicU64,
    /// What the thread exits with.
    exit_code: AtomicI32,
    /// Whether a thread has the right to join this one, or none ever gets it.
    is_joined: AtomicBool,
    /// What the thread, the reaper and the thread that joins hand to each other.
    pub(super) remains: SpinLock<Remains>,
    /// Where the thread waits, while it waits at an address.
    pub(super) wait: WaitPlace,
}

/// What is left of a thread that ends.
pub struct Remains {
    /// The thread's own stack, until it is freed. A CPU's first thread runs on a stack that is never freed.
    pub stack: Option<Stack>,
    /// How far the end has come.
    pub end: ThreadEnd<Joiner>,
}

/// A thread's place among the threads that wait at addresses. It changes only under the lock of the address's bucket.
pub struct WaitPlace {
    /// The thread's link in the bucket's tree.
    pub link: RBTreeAtomicLink,
    /// The address.
    pub address: AtomicU64,
    /// A number that is higher than those of the threads that have come before.
    pub ticket: AtomicU64,
    /// The sleepers of a CPU among whom the thread is meanwhile; null if it waits as long as it takes.
    pub sleeps_among: AtomicPtr<()>,
    /// The wait has ended before its time has passed.
    pub is_woken: AtomicBool,
    /// How many others the thread wakes when it was woken itself, for one that could not wake them all at once; and the ticket of which
    /// they came before.
    pub wakes: AtomicU32,
    pub wakes_before: AtomicU64,
}

impl WaitPlace {
    const fn new() -> Self {
        Self {
            link: RBTreeAtomicLink::new(),
            address: AtomicU64::new(0),
            ticket: AtomicU64::new(0),
            sleeps_among: AtomicPtr::new(core::ptr::null_mut()),
            is_woken: AtomicBool::new(false),
            wakes: AtomicU32::new(0),
            wakes_before: AtomicU64::new(0),
        }
    }
}

/// A thread that waits for the end of another one.
pub enum Joiner {
    /// It waits as long as it takes.
    Blocked(Blocked<Thread>),
    /// It waits for a limited time: it is among the sleepers of this CPU, until it wakes or is woken.
    Asleep(&'static Thread, CpuId),
}

impl Runnable for Thread {
    #[inline(always)]
    fn entry(&self) -> &Entry<Self> {
        &self.entry
    }

    #[inline(always)]
    fn is_on_stack(&self) -> bool {
        self.context.is_on_stack()
    }
}

/// What a new thread is made of.
pub struct NewThread<'a> {
    /// Its name.
    pub name: &'a str,
    /// The node of its control block.
    pub node: NodeId,
    /// Where its memory comes from.
    pub memory: MemoryContext,
    /// What it executes.
    pub start: Option<Start>,
    /// Its state and affinity.
    pub entry: Entry<Thread>,
    /// The driver whose code it runs.
    pub driver: Option<&'static Owner>,
    /// True if a caller that has the id may join the thread.
    pub may_be_joined: bool,
}

impl Thread {
    /// Creates the boot CPU's thread for the time before there is memory for any other.
    pub const fn first() -> Self {
        Self::new(MemoryContext::new(), Context::on_a_cpu(), Entry::running_on(CpuId(0)), ThreadId(0))
    }

    // Inlined, so that a new thread is made in its page instead of being copied there.
    #[inline(always)]
    const fn new(memory: MemoryContext, context: Context, entry: Entry<Self>, id: ThreadId) -> Self {
        Self {
            context,
            memory,
            entry,
            id,
            name: Name::new_const(),
            start: None,
            driver: None,
            wake_at: AtomicU64::new(0),
            sleep_link: RBTreeAtomicLink::new(),
            ticks: AtomicU64::new(0),
            exit_code: AtomicI32::new(0),
            is_joined: AtomicBool::new(false),
            remains: SpinLock::new(Rank::Waiting, Remains { stack: None, end: ThreadEnd::new() }),
            wait: WaitPlace::new(),
        }
    }

    /// Returns the thread's state and its CPU.
    #[inline]
    pub fn standing(&self) -> (State, CpuId) {
        self.entry.standing()
    }

    /// Returns true if the thread may run on `cpu`.
    #[inline]
    pub fn may_run_on(&self, cpu: CpuId) -> bool {
        self.entry.may_run_on(cpu)
    }

    /// Returns the CPUs on which the thread may run.
    pub fn affinity(&self) -> CpuSet {
        self.entry.affinity()
    }

    /// Returns the ticks in which the thread ran, each a millisecond. A thread that never runs at a tick has none.
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Counts a tick of the running thread, on its CPU.
    #[inline(always)]
    pub(super) fn count_tick(&self) {
        self.ticks.store(self.ticks.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Returns what the thread exits with.
    pub(super) fn exit_code(&self) -> i32 {
        self.exit_code.load(Ordering::Relaxed)
    }

    /// Sets what the thread exits with.
    pub(super) fn set_exit_code(&self, code: i32) {
        self.exit_code.store(code, Ordering::Relaxed);
    }

    /// Takes the right to join the thread. Returns false if it was taken before.
    pub(super) fn claim_join(&self) -> bool {
        !self.is_joined.swap(true, Ordering::Relaxed)
    }

    /// Returns true if a thread has the right to join this one, or none ever gets it.
    pub(super) fn is_joined(&self) -> bool {
        self.is_joined.load(Ordering::Relaxed)
    }

    /// Gives the right to join the thread back.
    pub(super) fn release_join(&self) {
        self.is_joined.store(false, Ordering::Relaxed);
    }

    /// Returns the driver whose code the thread runs; `None` for a thread of the kernel.
    pub fn driver(&self) -> Option<&'static Owner> {
        self.driver
    }

    /// Returns the end of the thread's stack; `None` for a CPU's first thread, and for one that has exited.
    pub fn stack_top(&self) -> Option<VirtAddr> {
        self.remains.lock().stack.as_ref().map(|stack| stack.top)
    }

    /// Returns true if the thread runs the code of a driver whose waits and sleeps end.
    #[inline]
    pub fn is_leaving(&self) -> bool {
        self.driver().is_some_and(Owner::is_leaving)
    }

    /// Returns true if the thread runs the code of a driver whose threads are to end.
    pub fn is_ending(&self) -> bool {
        self.driver().is_some_and(Owner::is_ending)
    }

    /// Tells the driver whose code the thread has run, if there is one, that the thread has exited.
    pub(super) fn leave_driver(&self) {
        if let Some(driver) = self.driver() {
            driver.remove_thread();
        }
    }
}

// SAFETY: `Thread` is `repr(C)`, and the last assertion below holds `context` at the start.
unsafe impl arch::Task for Thread {}
// SAFETY: `Thread` is `repr(C)`, and the next assertion holds the offset of its memory context.
unsafe impl crate::memory::memory_context::MemoryTask for Thread {}
const _: () = crate::memory::memory_context::assert_task::<Thread>(core::mem::offset_of!(Thread, memory));
const _: () = assert!(core::mem::offset_of!(Thread, context) == 0);

/// Owns a control block. The table of threads holds it, so that a reference to a thread that was found by its id ends with the
/// lock on the table.
pub struct ThreadBox(&'static Thread);

/// The page of a control block that is still to be created. The page is freed when this is dropped.
pub struct ThreadPage(FrameNumber);

impl ThreadPage {
    /// Allocates a page of `node`, or of the nearest node that has one. Returns `None` if there is no memory.
    pub fn allocate(node: NodeId) -> Option<Self> {
        Some(Self(allocate::allocate_for_kernel(PageUse::Threads, node, 1, Zeroed::No)?.frame))
    }
}

impl Drop for ThreadPage {
    fn drop(&mut self) {
        // `allocate` was granted this one page, so the free is not refused.
        let _ = allocate::free_for_kernel(PageUse::Threads, self.0, 1);
    }
}

impl ThreadBox {
    /// Creates the control block of a thread that continues at `context`, in `page`. The thread counts as one of its driver's.
    /// `id` is reserved in the table of threads.
    pub fn create(page: ThreadPage, id: ThreadId, context: Context, new: NewThread<'_>) -> Self {
        const { assert!(size_of::<Thread>() <= FRAME_SIZE as usize) };
        let frame = page.0;
        core::mem::forget(page);
        if let Some(driver) = new.driver {
            driver.add_thread();
            if new.may_be_joined {
                driver.used().note(UsedKind::Threads);
            }
        }
        let address = arch::physical_memory(frame.address()).cast::<Thread>();
        // SAFETY: `page` has owned the frame, which is large enough and aligned. `destroy` alone frees it.
        unsafe {
            // Made in place: a copy would cost some hundred instructions.
            address.write(Thread {
                name: cut_name(new.name),
                start: new.start,
                driver: new.driver,
                is_joined: AtomicBool::new(!new.may_be_joined),
                ..Thread::new(new.memory, context, new.entry, id)
            });
            Self(&*address)
        }
    }

    /// Returns a reference that the lists of threads and the CPUs may hold.
    ///
    /// # Safety
    /// The result is not used after [`ThreadBox::destroy`].
    pub unsafe fn unbound(&self) -> &'static Thread {
        self.0
    }

    /// Frees the control block's page.
    ///
    /// # Safety
    /// The thread has exited, its stack is free, and no reference to it is left.
    pub unsafe fn destroy(self) {
        let address = page_tables::translate(VirtAddr(core::ptr::from_ref(self.0).addr() as u64));
        if let Some(address) = address {
            // `create` was granted this one page, so the free is not refused.
            let _ = allocate::free_for_kernel(PageUse::Threads, FrameNumber::containing(address), 1);
        }
    }
}

impl Deref for ThreadBox {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        self.0
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
