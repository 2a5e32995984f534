//! The control block of a thread.
use super::owner::Owner;
use crate::arch::{self, Context};
use crate::memory::allocate::{self, Zeroed};
pub use crate::memory::memory_context::MemoryContext;
use crate::memory::page_tables;
use crate::memory::stack::Stack;
use crate::sync::{Rank, SpinLock};
use arrayvec::ArrayString;
use core::ffi::c_void;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};
use intrusive_collections::RBTreeAtomicLink;
use run_queue::{Blocked, Entry, Runnable, State};
use scheduling::CpuSet;
pub use thread_table::ThreadId;
use units::{CpuId, FRAME_SIZE, FrameNumber, NodeId};

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
// SAFETY: as above; nothing changes it.
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
        // SAFETY: the caller of `Start::new` allows the call.
        unsafe { (self.entry)(self.argument) }
    }
}

/// The control block of a thread: a page of the node that the thread prefers.
///
/// It begins with what the layers below keep in a thread. What changes later is atomic or behind a lock.
#[repr(C, align(64))]
pub struct Thread {
    /// Where the thread continues when a CPU switches to it.
    pub(super) context: Context,
    /// Where the thread's memory comes from.
    pub memory: MemoryContext,
    /// The thread's state, CPU, affinity and place in a list.
    entry: Entry<Self>,
    /// The thread's id.
    pub id: ThreadId,
    /// The name that the log uses.
    pub name: Name,
    /// What the thread executes; `None` for a CPU's first thread, which runs already.
    pub(super) start: Option<Start>,
    /// The driver whose code the thread runs, or null.
    driver: AtomicPtr<Owner>,
    /// Whether that driver created the thread.
    is_drivers_own: bool,
    /// When the thread is to wake, in ticks of the time stamp counter. Does not change while the thread is among the sleepers.
    pub(super) wake_at: AtomicU64,
    /// The thread's place among the sleepers.
    pub(super) sleep_link: RBTreeAtomicLink,
    /// What the thread exits with.
    exit_code: AtomicI32,
    /// Whether a thread has the right to join this one, or none ever gets it.
    is_joined: AtomicBool,
    /// What the reaper and the thread that joins hand to each other.
    pub(super) end: SpinLock<ThreadEnd>,
}

/// The end of a thread's life.
pub struct ThreadEnd {
    /// The thread's own stack, until the reaper takes it. A CPU's first thread runs on a stack that is never freed.
    pub stack: Option<Stack>,
    /// The exit code, once the thread has exited and its stack is freed.
    pub exit_code: Option<i32>,
    /// The thread that waits for the exit code.
    pub joiner: Option<Blocked<Thread>>,
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
    /// Its id, reserved in the table of threads.
    pub id: ThreadId,
    /// Its name.
    pub name: &'a str,
    /// Where it continues.
    pub context: Context,
    /// What it executes.
    pub start: Option<Start>,
    /// Its state and affinity.
    pub entry: Entry<Thread>,
}

impl Thread {
    /// Creates the boot CPU's thread for the time before there is memory for any other.
    pub const fn first() -> Self {
        Self::new(MemoryContext::new(), Context::on_a_cpu(), Entry::running_on(CpuId(0)), ThreadId(0))
    }

    const fn new(memory: MemoryContext, context: Context, entry: Entry<Self>, id: ThreadId) -> Self {
        Self {
            context,
            memory,
            entry,
            id,
            name: Name::new_const(),
            start: None,
            driver: AtomicPtr::new(core::ptr::null_mut()),
            is_drivers_own: false,
            wake_at: AtomicU64::new(0),
            sleep_link: RBTreeAtomicLink::new(),
            exit_code: AtomicI32::new(0),
            is_joined: AtomicBool::new(false),
            end: SpinLock::new(Rank::Waiting, ThreadEnd { stack: None, exit_code: None, joiner: None }),
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

    /// Returns the driver whose code the thread runs, if it does.
    pub fn driver(&self) -> Option<&'static Owner> {
        // SAFETY: `run_as_driver` and `ThreadBox::create` store null or a `&'static Owner`.
        unsafe { self.driver.load(Ordering::Relaxed).as_ref() }
    }

    /// Returns that driver's name.
    pub fn driver_name(&self) -> Option<&'static str> {
        self.driver().map(Owner::name)
    }

    /// Returns true if a driver created the thread. Such a thread may end itself, and drivers may join and move it.
    pub fn is_drivers_own(&self) -> bool {
        self.is_drivers_own
    }

    /// Tells the driver that created the thread, if one did, that the thread has exited.
    pub(super) fn leave_driver(&self) {
        if let Some(driver) = self.driver().filter(|_| self.is_drivers_own) {
            driver.remove_thread();
        }
    }

    /// Runs `work` as the driver's, with no preferred node and no policy. What `work` sets of these ends with it.
    pub fn run_as_driver<R>(&self, driver: &'static Owner, work: impl FnOnce() -> R) -> R {
        let driver_before = self.driver.swap(core::ptr::from_ref(driver).cast_mut(), Ordering::Relaxed);
        let result = self.memory.with_none(work);
        self.driver.store(driver_before, Ordering::Relaxed);
        result
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
        Some(Self(allocate::allocate_for_kernel(node, 1, Zeroed::No)?.frame))
    }
}

impl Drop for ThreadPage {
    fn drop(&mut self) {
        // `allocate` was granted this one page, so the free is not refused.
        let _ = allocate::free_for_kernel(self.0, 1);
    }
}

impl ThreadBox {
    /// Creates a control block in `page`. It inherits the preferred node, the policy and the driver of `creator`, and counts as a
    /// thread of that driver.
    pub fn create(page: ThreadPage, new: NewThread<'_>, creator: &Thread) -> Self {
        const { assert!(size_of::<Thread>() <= FRAME_SIZE as usize) };
        let frame = page.0;
        core::mem::forget(page);
        let driver = creator.driver();
        let thread = Thread {
            name: cut_name(new.name),
            start: new.start,
            driver: AtomicPtr::new(creator.driver.load(Ordering::Relaxed)),
            is_drivers_own: driver.is_some(),
            ..Thread::new(creator.memory.inherit(), new.context, new.entry, new.id)
        };
        if let Some(driver) = driver {
            driver.add_thread();
        }
        let address = arch::physical_memory(frame.address()).cast::<Thread>();
        // SAFETY: `page` has owned the frame, which is large enough and aligned. `destroy` alone frees it.
        unsafe {
            address.write(thread);
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
    /// The thread has exited, the reaper is done with it, and no reference to it is left.
    pub unsafe fn destroy(self) {
        let address = page_tables::translate(units::VirtAddr(core::ptr::from_ref(self.0).addr() as u64));
        if let Some(address) = address {
            // `create` was granted this one page, so the free is not refused.
            let _ = allocate::free_for_kernel(FrameNumber::containing(address), 1);
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
