//! Each CPU's own block, reached through GS: who it is, what it runs, who waits there. It lies in memory of the CPU's node.
use super::sleep::Sleepers;
use super::thread::Thread;
use super::thread_list::ThreadList;
use crate::arch::{self, CpuTables, INTERRUPT_STACK_SIZE, INTERRUPT_STACKS, InterruptStacks};
use crate::memory::cache_recall;
use crate::memory::page_allocator::{self, Zeroed};
use crate::memory::page_counts::CpuCounts;
use crate::memory::shootdown;
use crate::memory::stack::Stack;
use crate::sync::{Rank, SpinLock};
use arrayvec::ArrayVec;
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use page_alloc::{CacheView, CpuCache};
use units::{ApicId, CpuId, FRAME_SIZE, NodeId, VirtAddr};

/// One CPU's block. Others may read it, queue threads at it and leave it work; the rest is its CPU's own.
#[repr(C, align(64))]
pub struct PerCpu {
    /// The block's own address, which GS:0 reads.
    this: *const PerCpu,
    /// What it runs.
    thread: AtomicPtr<Thread>,
    /// How many stretches without preemption are under way, and [`NOTHING_DUE`]: 0 when the last one has ended and something is
    /// to be done then. Its own CPU alone writes it.
    preemption_off: AtomicU32,
    /// Ticks that are left of the running thread's turn.
    pub slice: AtomicU32,
    /// What is to be done as soon as preemption is on: the bits [`PENDING_SWITCH`] and [`PENDING_RECALL`].
    pending: AtomicU8,
    /// What it runs when nothing else is to be run.
    idle_thread: AtomicPtr<Thread>,
    /// Free pages of its node; [`CpuCache::none`] before there is memory for it.
    page_cache: UnsafeCell<CpuCache<'static>>,
    /// What the others may see of them.
    pub page_cache_view: Option<CacheView<'static>>,
    /// Threads that wait for their turn.
    pub run_queue: SpinLock<ThreadList>,
    /// How many they are.
    queued: AtomicU32,
    /// The CPU's index.
    pub id: CpuId,
    /// The id of its APIC.
    pub apic: ApicId,
    /// Its node.
    pub node: NodeId,
    /// Where it takes memory from unless its thread says otherwise: its own node (the plan, phase 5).
    pub preferred_node: NodeId,
    /// Threads that sleep until some time, having run here.
    pub sleepers: SpinLock<Sleepers>,
    /// Whether it has come up.
    online: AtomicBool,
    /// An address in the stack on which it came up.
    stack_seen: AtomicUsize,
    /// Work that another CPU has left here.
    work: AtomicPtr<Work>,
    /// The ranks of the locks that it holds: bit n for rank n. Kept in builds with debug assertions.
    #[cfg(debug_assertions)]
    locks_held: AtomicU32,
    /// The pages that it has allocated otherwise than from its cache.
    pub page_counts: CpuCounts,
    /// Whether others have asked for its free pages.
    pub cache_recall: cache_recall::CpuState,
    /// What it remembers of the page tables.
    pub translations: shootdown::CpuState,
    /// Its descriptor tables, which the CPU itself holds on to.
    tables: UnsafeCell<CpuTables>,
    /// Where the faults that may find its stack broken are handled.
    interrupt_stacks: InterruptStacks,
}

// SAFETY: what changes is atomic or behind a lock, but for the tables, which only `install` touches, once, on the block's CPU,
// and the page cache, which is for that CPU alone, too.
unsafe impl Sync for PerCpu {}

/// The running thread's turn is over.
pub const PENDING_SWITCH: u8 = 1;
/// Others ask for the CPU's free pages.
pub const PENDING_RECALL: u8 = 2;

/// Set in the count of stretches without preemption as long as nothing is to be done at their end: one look at the count tells
/// both.
const NOTHING_DUE: u32 = 1 << 31;

/// Something for another CPU to do once.
pub struct Work {
    /// What to do.
    pub run: fn(&PerCpu),
    /// How many CPUs have done it.
    pub done: AtomicUsize,
}

/// The boot CPU's block until there is memory of its node.
static EARLY: PerCpu =
    PerCpu::new(&raw const EARLY, CpuId(0), ApicId(0), NodeId::ZERO, [VirtAddr(0); INTERRUPT_STACKS]);
/// What it runs until then.
static EARLY_THREAD: Thread = Thread::first();

impl PerCpu {
    const fn new(
        this: *const Self,
        id: CpuId,
        apic: ApicId,
        node: NodeId,
        interrupt_stacks: InterruptStacks,
    ) -> Self {
        Self {
            this,
            thread: AtomicPtr::new(core::ptr::null_mut()),
            preemption_off: AtomicU32::new(NOTHING_DUE),
            slice: AtomicU32::new(0),
            pending: AtomicU8::new(0),
            idle_thread: AtomicPtr::new(core::ptr::null_mut()),
            page_cache: UnsafeCell::new(CpuCache::none()),
            page_cache_view: None,
            run_queue: SpinLock::new(Rank::RunQueue, ThreadList::new()),
            queued: AtomicU32::new(0),
            id,
            apic,
            node,
            preferred_node: node,
            sleepers: SpinLock::new(Rank::Sleepers, Sleepers::new()),
            online: AtomicBool::new(false),
            stack_seen: AtomicUsize::new(0),
            work: AtomicPtr::new(core::ptr::null_mut()),
            #[cfg(debug_assertions)]
            locks_held: AtomicU32::new(0),
            page_counts: CpuCounts::new(),
            cache_recall: cache_recall::CpuState::new(),
            translations: shootdown::CpuState::new(),
            tables: UnsafeCell::new(CpuTables::new()),
            interrupt_stacks,
        }
    }

    /// A block for a CPU, with its descriptor tables, in memory of its node or the nearest that has some; `None` when there is
    /// none at all. It runs `thread` first.
    pub fn create(id: CpuId, apic: ApicId, node: NodeId, thread: &'static Thread) -> Option<&'static Self> {
        const PAGES: u64 = size_of::<PerCpu>().div_ceil(FRAME_SIZE as usize) as u64;
        let interrupt_stacks = allocate_interrupt_stacks(node)?;
        let frame = page_allocator::allocate_for_kernel(node, PAGES, Zeroed::No)?.frame;
        let block = arch::physical_memory(frame.address()).cast::<Self>();
        let cache = page_allocator::create_cache(node);
        let new = Self {
            page_cache_view: cache.as_ref().map(CpuCache::view),
            page_cache: UnsafeCell::new(cache.unwrap_or_else(CpuCache::none)),
            ..Self::new(block, id, apic, node, interrupt_stacks)
        };
        // SAFETY: the pages are fresh, large enough, and stay the block's for good.
        let block = unsafe {
            block.write(new);
            &*block
        };
        block.set_thread(thread);
        thread.set_cpu(id);
        Some(block)
    }

    /// Makes this block the running CPU's, with its descriptor tables.
    ///
    /// # Safety
    /// The block is that CPU's, and was not installed before.
    pub unsafe fn install(&'static self) {
        // SAFETY: the caller says that it is the first and only to load these tables; `this` holds the block's address.
        unsafe {
            arch::set_per_cpu_pointer(self.this.cast());
            CpuTables::load(self.tables.get(), &self.interrupt_stacks);
        }
    }

    /// Tells the others that this CPU runs, and where its stack is.
    pub fn set_online(&self, stack_pointer: usize) {
        self.stack_seen.store(stack_pointer, Ordering::Relaxed);
        self.online.store(true, Ordering::Release);
    }

    /// Whether the CPU has come up.
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Acquire)
    }

    /// An address in the stack on which the CPU came up.
    pub fn stack_seen(&self) -> usize {
        self.stack_seen.load(Ordering::Relaxed)
    }

    /// The ends of the CPU's interrupt stacks.
    pub fn interrupt_stacks(&self) -> &InterruptStacks {
        &self.interrupt_stacks
    }

    /// What the CPU runs.
    #[inline]
    pub fn thread(&self) -> &'static Thread {
        // SAFETY: every block is given a thread before it is anybody's; a thread that a CPU runs lives.
        unsafe { &*self.thread.load(Ordering::Relaxed) }
    }

    /// Notes what the CPU runs from now on.
    #[inline]
    pub fn set_thread(&self, thread: &'static Thread) {
        self.thread.store(core::ptr::from_ref(thread).cast_mut(), Ordering::Relaxed);
    }

    /// The CPU's cache of free pages.
    ///
    /// # Safety
    /// The caller runs on this CPU with preemption off, and nothing that runs there before it is done with the cache asks
    /// for it, too.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the caller sees to it that there is only one")]
    pub unsafe fn page_cache(&self) -> &mut CpuCache<'static> {
        // SAFETY: as the caller says, nobody else has a reference to it.
        unsafe { &mut *self.page_cache.get() }
    }

    /// What the CPU runs when nothing else is to be run.
    #[inline]
    pub fn idle_thread(&self) -> &'static Thread {
        // SAFETY: a CPU is given its idle thread, which lives for good, before any of its threads can block.
        unsafe { &*self.idle_thread.load(Ordering::Relaxed) }
    }

    /// Gives the CPU its idle thread, which stays on it.
    pub fn set_idle_thread(&self, thread: &'static Thread) {
        thread.set_cpu(self.id);
        self.idle_thread.store(core::ptr::from_ref(thread).cast_mut(), Ordering::Relaxed);
    }

    /// Whether the CPU runs its idle thread.
    pub fn is_idling(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == self.idle_thread.load(Ordering::Relaxed)
    }

    /// Queues a thread that is in no list. Interrupts are off.
    #[inline]
    pub fn put(&self, thread: &'static Thread) {
        let mut queue = self.run_queue.lock();
        queue.push(thread);
        // A locked instruction: whoever queues then looks whether this CPU is idle, and must not look too early.
        self.queued.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes the thread whose turn is next: the running thread itself, or one that no CPU is still about to leave. Interrupts
    /// are off.
    #[inline]
    pub fn take_queued(&self) -> Option<&'static Thread> {
        if self.queued() == 0 {
            return None;
        }
        let mut queue = self.run_queue.lock();
        let thread = queue.pop()?;
        if thread.context.is_running() && !core::ptr::eq(thread, self.thread()) {
            queue.push(thread);
            return None;
        }
        self.queued.fetch_sub(1, Ordering::Relaxed);
        Some(thread)
    }

    /// Takes the first queued thread of which `wanted` holds, for another CPU. Interrupts are off.
    pub fn take_queued_if(&self, wanted: impl Fn(&Thread) -> bool) -> Option<&'static Thread> {
        let mut queue = self.run_queue.lock();
        let thread = queue.take(wanted)?;
        self.queued.fetch_sub(1, Ordering::Relaxed);
        Some(thread)
    }

    /// How many threads wait for their turn.
    #[inline]
    pub fn queued(&self) -> u32 {
        self.queued.load(Ordering::SeqCst)
    }

    /// Interrupts the CPU, so that it looks again at what is to be done.
    pub fn wake_up(&self) {
        arch::wake_cpu(self.apic);
    }

    /// Leaves work for the CPU's idle thread. It must have none.
    ///
    /// # Safety
    /// `work` lives until the CPU has counted itself in [`Work::done`].
    pub unsafe fn leave_work(&self, work: *const Work) {
        self.work.store(work.cast_mut(), Ordering::SeqCst);
        self.wake_up();
    }

    /// Whether there is such work.
    pub fn has_work_left_here(&self) -> bool {
        !self.work.load(Ordering::SeqCst).is_null()
    }

    /// Does the work that another CPU has left here, if there is any.
    pub fn do_work_left_here(&self) {
        let work = self.work.swap(core::ptr::null_mut(), Ordering::Acquire);
        // SAFETY: whoever called `leave_work` keeps it until it is counted below.
        if let Some(work) = unsafe { work.as_ref() } {
            (work.run)(self);
            work.done.fetch_add(1, Ordering::Release);
        }
    }

    /// Notes that something is to be done as soon as preemption is on: an interrupt does, or whoever sends one.
    pub fn set_pending(&self, what: u8) {
        self.pending.fetch_or(what, Ordering::Relaxed);
    }

    /// Whether anything is.
    #[inline]
    pub fn has_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// What it is; the caller does it.
    pub fn take_pending(&self) -> u8 {
        self.pending.swap(0, Ordering::Relaxed)
    }

    /// Whether the running thread may lose the CPU.
    pub fn preemption_is_on(&self) -> bool {
        self.preemption_off.load(Ordering::Relaxed) & !NOTHING_DUE == 0
    }

    /// Has the scheduler called at the end of the stretch without preemption that is under way, or no longer. Interrupts are off,
    /// and this is the running CPU's block.
    pub fn set_due(&self, due: bool) {
        if due {
            self.preemption_off.fetch_and(!NOTHING_DUE, Ordering::Relaxed);
        } else {
            self.preemption_off.fetch_or(NOTHING_DUE, Ordering::Relaxed);
        }
    }

    /// The ranks of the locks that the CPU holds.
    #[cfg(debug_assertions)]
    pub fn locks_held(&self) -> u32 {
        self.locks_held.load(Ordering::Relaxed)
    }

    /// Notes that the CPU holds a lock of this rank, or no longer does.
    #[cfg(debug_assertions)]
    pub fn set_lock_held(&self, rank: u8, held: bool) {
        if held {
            self.locks_held.fetch_or(1 << rank, Ordering::Relaxed);
        } else {
            self.locks_held.fetch_and(!(1 << rank), Ordering::Relaxed);
        }
    }
}

/// Gives the boot CPU a block to start with, before anything else: a fault must find one.
pub fn init_early() {
    EARLY.set_thread(&EARLY_THREAD);
    EARLY.set_idle_thread(&EARLY_THREAD);
    // SAFETY: this is the boot CPU and the first call, so the tables are nobody else's.
    unsafe {
        arch::set_per_cpu_pointer((&raw const EARLY).cast());
        CpuTables::load(EARLY.tables.get(), &arch::early_interrupt_stacks());
    }
}

/// The block that the boot CPU had until there was memory of its node.
pub fn early() -> &'static PerCpu {
    &EARLY
}

/// The running CPU's block. Where preemption is on, the thread may be on another one a moment later.
#[inline]
pub fn current() -> &'static PerCpu {
    // SAFETY: a CPU gets its block before it runs anything that asks; blocks live for good.
    unsafe { &*arch::per_cpu_pointer().cast() }
}

/// The running thread: one instruction, so that it is right whatever happens around it.
#[inline]
pub fn current_thread() -> &'static Thread {
    // SAFETY: the block has a thread, and a thread that runs lives.
    unsafe { &*arch::per_cpu_word::<{ offset_of!(PerCpu, thread) }>().cast::<Thread>() }
}

/// Whether the running thread takes its memory from the node of the CPU that it runs on.
#[inline]
pub fn takes_local_memory() -> bool {
    // SAFETY: it is the running one.
    unsafe { current_thread().takes_local_memory() }
}

/// Begins a stretch in which the running thread keeps its CPU.
#[inline]
pub fn begin_no_preemption() {
    // SAFETY: the field is a 32-bit counter.
    unsafe { arch::per_cpu_increment::<{ offset_of!(PerCpu, preemption_off) }>() };
}

/// Ends it; when it was the outermost and something has become due meanwhile, such as another thread's turn, that is done now.
#[inline]
pub fn end_no_preemption() {
    // SAFETY: the field is a 32-bit counter, and was incremented before.
    unsafe { arch::per_cpu_decrement_and_call::<{ offset_of!(PerCpu, preemption_off) }>() };
}

/// The running CPU and thread, in words, for the log.
pub fn describe_current() -> impl fmt::Display {
    struct Place(&'static PerCpu);
    impl fmt::Display for Place {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            let thread = self.0.thread();
            write!(out, "CPU {}, thread {} ({})", self.0.id, thread.id.0, thread.name)?;
            thread.driver_name().map_or(Ok(()), |driver| write!(out, ", in driver {driver}"))
        }
    }
    Place(current())
}

/// Stacks for a CPU of `node`, which stay for good; `None` when there is no memory, and nothing was taken.
fn allocate_interrupt_stacks(node: NodeId) -> Option<InterruptStacks> {
    let pages = INTERRUPT_STACK_SIZE / FRAME_SIZE;
    let stacks: ArrayVec<Stack, INTERRUPT_STACKS> =
        (0..INTERRUPT_STACKS).map_while(|_| Stack::with_pages(node, pages)).collect();
    if stacks.is_full() {
        return Some(core::array::from_fn(|index| stacks[index].top));
    }
    // SAFETY: no CPU has them yet.
    stacks.into_iter().for_each(|stack| unsafe { stack.free() });
    None
}
