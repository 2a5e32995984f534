//! Threads: the control block.
use super::owner::Owner;
use super::sleep::SleepLink;
use super::wait_queue::WaitQueue;
use crate::arch::{self, Context};
use crate::memory::allocate::{self, Zeroed};
pub use crate::memory::memory_context::MemoryContext;
use crate::memory::page_tables;
use crate::memory::stack::Stack;
use arrayvec::ArrayString;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};
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

/// What a thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// It stands in the run queue of its CPU.
    Queued,
    /// Its CPU runs it, or has taken it out of a queue to run it.
    Running,
    /// It stands in a wait queue or among sleepers, or is on its way from one queue to another.
    Blocked,
    /// It has run for the last time.
    Exited,
}

/// A thread's control block: a page of the node that it prefers.
///
/// It lives until the thread is joined; the kernel's own threads live for good. Whoever finds it by its id holds the table of
/// threads meanwhile; whoever finds it in a list, that list's lock.
#[repr(C, align(64))]
pub struct Thread {
    /// Where it goes on.
    pub context: Context,
    /// Where its memory comes from.
    pub memory: MemoryContext,
    /// The next in the list that it is in.
    pub next: AtomicPtr<Thread>,
    /// The CPU that it runs on, is queued at, or ran on last.
    cpu: AtomicU32,
    /// What it does there, a [`State`]. Both change together, under the lock of that CPU's run queue.
    state: AtomicU8,
    /// Its id.
    pub id: ThreadId,
    /// What the log calls it.
    pub name: Name,
    /// The CPUs that it may run on.
    affinity: [AtomicU64; WORDS],
    /// The driver whose code it runs, or null.
    driver: AtomicPtr<Owner>,
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

const EVERYWHERE: u64 = u64::MAX;

impl Thread {
    /// The boot CPU's thread before there is memory for any other.
    pub const fn first() -> Self {
        Self {
            memory: MemoryContext::new(),
            context: Context::on_a_cpu(),
            next: AtomicPtr::new(core::ptr::null_mut()),
            cpu: AtomicU32::new(0),
            state: AtomicU8::new(State::Running as u8),
            id: ThreadId(0),
            name: Name::new_const(),
            affinity: [const { AtomicU64::new(EVERYWHERE) }; WORDS],
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
        let frame = allocate::allocate_for_kernel(node, 1, Zeroed::No)?.frame;
        let thread = Self {
            memory: creator.memory.inherit(),
            context,
            id,
            name: cut_name(name),
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
        let address = page_tables::translate(units::VirtAddr(core::ptr::from_ref(self).addr() as u64));
        if let Some(address) = address {
            // It was granted as one page, by `create`.
            let _ = allocate::free_for_kernel(FrameNumber::containing(address), 1);
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

    /// What it does.
    #[inline]
    pub fn is(&self, state: State) -> bool {
        self.state.load(Ordering::Acquire) == state as u8
    }

    /// Notes what it does. The caller holds the lock that the state belongs to.
    #[inline]
    pub fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
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

    /// The driver whose code it runs, if it does.
    pub fn driver(&self) -> Option<&'static Owner> {
        // SAFETY: what `run_as_driver` stores lives for good.
        unsafe { self.driver.load(Ordering::Relaxed).as_ref() }
    }

    /// That driver's name.
    pub fn driver_name(&self) -> Option<&'static str> {
        self.driver().map(Owner::name)
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
    pub fn run_as_driver<R>(&self, driver: &'static Owner, work: impl FnOnce() -> R) -> R {
        let driver_before = self.driver.swap(core::ptr::from_ref(driver).cast_mut(), Ordering::Relaxed);
        let result = self.memory.with_none(work);
        self.driver.store(driver_before, Ordering::Relaxed);
        result
    }
}

// SAFETY: `Thread` is `repr(C)`, and `context` is its first field.
unsafe impl arch::Task for Thread {}
const _: () = assert!(core::mem::offset_of!(Thread, context) == 0);
// SAFETY: see the assertion.
unsafe impl crate::memory::memory_context::MemoryTask for Thread {}
const _: () = crate::memory::memory_context::assert_task::<Thread>(core::mem::offset_of!(Thread, memory));

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
