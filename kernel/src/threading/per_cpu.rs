//! Each CPU's own block, reached through GS: who it is, what it runs, and its descriptor tables. It lies in memory of the
//! CPU's node.
use super::thread::Thread;
use crate::arch::{self, CpuTables, INTERRUPT_STACK_SIZE, INTERRUPT_STACKS, InterruptStacks};
use crate::memory::page_allocator::{self, Zeroed};
use crate::memory::shootdown;
use crate::memory::stack::Stack;
use arrayvec::ArrayVec;
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::size_of;
use core::ptr::addr_of_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use units::{ApicId, CpuId, FRAME_SIZE, NodeId, VirtAddr};

/// One CPU's block. Its CPU alone runs on its tables; the rest may be read by all.
#[repr(C, align(64))]
pub struct PerCpu {
    /// The block's own address, which GS:0 reads.
    this: *const PerCpu,
    /// The CPU's index.
    pub id: CpuId,
    /// The id of its APIC.
    pub apic: ApicId,
    /// Its node.
    pub node: NodeId,
    /// Where it takes memory from unless its thread says otherwise: its own node (the plan, phase 5).
    pub preferred_node: NodeId,
    /// What it runs.
    thread: AtomicPtr<Thread>,
    /// Whether it has come up.
    online: AtomicBool,
    /// Where its stack pointer was when it came up.
    stack_seen: AtomicUsize,
    /// Work that another CPU has left here.
    work: AtomicPtr<Work>,
    /// What it remembers of the page tables.
    pub translations: shootdown::CpuState,
    /// Its descriptor tables, which the CPU itself holds on to.
    tables: UnsafeCell<CpuTables>,
    /// Where the faults that may find its stack broken are handled.
    interrupt_stacks: InterruptStacks,
    /// The thread that it starts with.
    first_thread: Thread,
}

// SAFETY: what changes is atomic, but for the tables, which only `install` touches, once, on the block's own CPU.
unsafe impl Sync for PerCpu {}

/// Something for another CPU to do once.
pub struct Work {
    /// What to do.
    pub run: fn(&PerCpu),
    /// How many CPUs have done it.
    pub done: AtomicUsize,
}

/// The boot CPU's block until there is memory of its node.
static EARLY: PerCpu = PerCpu::new(core::ptr::null(), CpuId(0), ApicId(0), NodeId::ZERO, Thread::first());

impl PerCpu {
    const fn new(this: *const Self, id: CpuId, apic: ApicId, node: NodeId, first_thread: Thread) -> Self {
        Self {
            this,
            id,
            apic,
            node,
            preferred_node: node,
            thread: AtomicPtr::new(core::ptr::null_mut()),
            online: AtomicBool::new(false),
            stack_seen: AtomicUsize::new(0),
            work: AtomicPtr::new(core::ptr::null_mut()),
            translations: shootdown::CpuState::new(),
            tables: UnsafeCell::new(CpuTables::new()),
            interrupt_stacks: [VirtAddr(0); INTERRUPT_STACKS],
            first_thread,
        }
    }

    /// A block for a CPU, in memory of its node or the nearest that has some; `None` when there is none at all.
    pub fn create(id: CpuId, apic: ApicId, node: NodeId, first_thread: Thread) -> Option<&'static Self> {
        let pages = size_of::<Self>().div_ceil(FRAME_SIZE as usize) as u64;
        let interrupt_stacks = allocate_interrupt_stacks(node)?;
        let frame = page_allocator::allocate_for_kernel(node, pages, Zeroed::Yes)?.frame;
        let block = arch::physical_memory(frame.address()).cast::<Self>();
        // SAFETY: the pages are fresh, large enough and page-aligned, and stay the block's for good.
        unsafe {
            addr_of_mut!((*block).this).write(block);
            addr_of_mut!((*block).id).write(id);
            addr_of_mut!((*block).apic).write(apic);
            addr_of_mut!((*block).node).write(node);
            addr_of_mut!((*block).preferred_node).write(node);
            addr_of_mut!((*block).thread).write(AtomicPtr::new(core::ptr::null_mut()));
            addr_of_mut!((*block).online).write(AtomicBool::new(false));
            addr_of_mut!((*block).stack_seen).write(AtomicUsize::new(0));
            addr_of_mut!((*block).work).write(AtomicPtr::new(core::ptr::null_mut()));
            addr_of_mut!((*block).translations).write(shootdown::CpuState::new());
            addr_of_mut!((*block).tables).write(UnsafeCell::new(CpuTables::new()));
            addr_of_mut!((*block).interrupt_stacks).write(interrupt_stacks);
            addr_of_mut!((*block).first_thread).write(first_thread);
            Some(&*block)
        }
    }

    /// Makes this block the running CPU's, with its descriptor tables and its first thread.
    ///
    /// # Safety
    /// The block is that CPU's, and was not installed before.
    pub unsafe fn install(&'static self) {
        self.thread.store((&raw const self.first_thread).cast_mut(), Ordering::Relaxed);
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

    /// An address in the CPU's stack, once it is online.
    pub fn stack_seen(&self) -> usize {
        self.stack_seen.load(Ordering::Relaxed)
    }

    /// The ends of the CPU's interrupt stacks.
    pub fn interrupt_stacks(&self) -> &InterruptStacks {
        &self.interrupt_stacks
    }

    /// What the CPU runs.
    pub fn thread(&self) -> &'static Thread {
        // SAFETY: a thread that a CPU runs lives for good.
        unsafe { self.thread.load(Ordering::Relaxed).as_ref() }.unwrap_or(&EARLY.first_thread)
    }

    /// Leaves work for the CPU, which takes it when it is woken. It must have none.
    ///
    /// # Safety
    /// `work` lives until the CPU has counted itself in [`Work::done`].
    pub unsafe fn leave_work(&self, work: *const Work) {
        self.work.store(work.cast_mut(), Ordering::Release);
        arch::wake_cpu(self.apic);
    }

    /// Does the work that others leave, and halts in between. For a CPU that has nothing else.
    pub fn idle(&self) -> ! {
        loop {
            let work = self.work.swap(core::ptr::null_mut(), Ordering::Acquire);
            // SAFETY: whoever called `leave_work` keeps it until it is counted below.
            match unsafe { work.as_ref() } {
                Some(work) => {
                    (work.run)(self);
                    work.done.fetch_add(1, Ordering::Release);
                }
                None => arch::idle(),
            }
        }
    }
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

/// Gives the boot CPU a block to start with, before anything else: a fault must find one.
pub fn init_early() {
    static EARLY_POINTER: AtomicPtr<PerCpu> = AtomicPtr::new((&raw const EARLY).cast_mut());
    // SAFETY: this is the boot CPU and the first call. GS leads to a word that holds the address of `EARLY`.
    unsafe {
        EARLY.thread.store((&raw const EARLY.first_thread).cast_mut(), Ordering::Relaxed);
        arch::set_per_cpu_pointer((&raw const EARLY_POINTER).cast());
        CpuTables::load(EARLY.tables.get(), &arch::early_interrupt_stacks());
    }
}

/// The running CPU's block.
#[inline]
pub fn current() -> &'static PerCpu {
    // SAFETY: a CPU gets its block before it runs anything that asks; blocks live for good.
    unsafe { &*arch::per_cpu_pointer().cast() }
}

/// The running thread.
#[inline]
pub fn current_thread() -> &'static Thread {
    current().thread()
}

/// The running CPU and thread, in words, for the log.
pub fn describe_current() -> impl fmt::Display {
    struct Place(&'static PerCpu);
    impl fmt::Display for Place {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            let thread = self.0.thread();
            write!(out, "CPU {}, thread {} ({})", self.0.id, thread.id.0, thread.name)?;
            thread.driver().map_or(Ok(()), |driver| write!(out, ", in driver {driver}"))
        }
    }
    Place(current())
}
