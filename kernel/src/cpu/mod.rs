//! CPUs: who each one is, what it has of its own, and what CPUs ask of each other.

mod hook;
pub mod interrupts;
mod local;
mod preemption;
pub mod shootdown;
mod stop;

pub use hook::Hook;
pub use local::{Addressed, CpuLocal};
pub(crate) use local::{cpu_local, cpu_local_addressed};
pub use preemption::{DeferredWork, PreemptionOff, defer, register_deferred};
pub use stop::stop_other_cpus;

use crate::arch::{self, CpuTables, INTERRUPT_STACKS, InterruptStacks};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use topology::MAX_CPUS;
use units::{ApicId, CpuId, NodeId, VirtAddr};

/// Who a CPU is. One for each, in its own memory.
pub struct Cpu {
    /// The CPU's index.
    pub id: CpuId,
    /// The id of its APIC.
    pub apic: ApicId,
    /// Its node.
    pub node: NodeId,
    /// Where its copy of the section `cpu_local` is.
    distance: usize,
    /// Whether it has come up.
    online: AtomicBool,
    /// An address in the stack on which it came up.
    stack_seen: AtomicUsize,
    /// Where the faults that may find its stack broken are handled.
    interrupt_stacks: InterruptStacks,
}

cpu_local! {
    static THIS: UnsafeCpu = UnsafeCpu(UnsafeCell::new(Cpu {
        id: CpuId(0),
        apic: ApicId(0),
        node: NodeId::ZERO,
        distance: 0,
        online: AtomicBool::new(false),
        stack_seen: AtomicUsize::new(0),
        interrupt_stacks: [VirtAddr(0); INTERRUPT_STACKS],
    }));
    static TABLES: UnsafeTables = UnsafeTables(UnsafeCell::new(CpuTables::new()));
}

/// Written while the CPU does not run yet, then read.
struct UnsafeCpu(UnsafeCell<Cpu>);
// SAFETY: see above; what changes later is atomic.
unsafe impl Sync for UnsafeCpu {}
struct UnsafeTables(UnsafeCell<CpuTables>);
// SAFETY: only the CPU itself touches them, once, when it installs its block.
unsafe impl Sync for UnsafeTables {}

/// Every CPU that has a copy of the section, by index.
static CPUS: [AtomicPtr<Cpu>; MAX_CPUS] = [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CPUS];
/// The indices in use are below this.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Bytes of the boot CPU's first copy, which it has until there is memory of its node.
const EARLY_SIZE: usize = 16 * 1024;
#[repr(C, align(64))]
struct Early(UnsafeCell<[u8; EARLY_SIZE]>);
// SAFETY: only the boot CPU uses it, by way of GS.
unsafe impl Sync for Early {}
static EARLY: Early = Early(UnsafeCell::new([0; EARLY_SIZE]));

/// Gives the boot CPU its first copy, before anything else. `task` is what it runs; exceptions lead to `fault`.
pub fn init_early(task: *const (), fault: fn(&arch::Frame) -> !) {
    interrupts::on_exception(fault);
    assert!(
        arch::section_size() <= EARLY_SIZE,
        "the section cpu_local has outgrown the boot CPU's first copy"
    );
    // SAFETY: the copy is large enough, aligned, and the boot CPU's.
    unsafe {
        let distance = arch::copy_section(EARLY.0.get().cast());
        arch::use_copy(distance);
        let this = THIS.at(distance).0.get();
        (*this).distance = distance;
        set_task(&*this, task);
        CpuTables::load::<interrupts::Handler>(TABLES.at(distance).0.get(), &arch::early_interrupt_stacks());
    }
}

/// Bytes that a CPU needs for its copy.
pub fn area_size() -> usize {
    arch::section_size()
}

/// A CPU that is to run, with what its copy begins with.
pub struct NewCpu {
    /// Its index, APIC and node.
    pub id: CpuId,
    pub apic: ApicId,
    pub node: NodeId,
    /// Its interrupt stacks.
    pub interrupt_stacks: InterruptStacks,
    /// What it runs first.
    pub task: *const (),
}

/// Makes a CPU's copy of the section, in `area`, and registers the CPU.
///
/// # Safety
/// `area` has [`area_size`] bytes, aligned to 64, which are the CPU's for good.
pub unsafe fn create(area: *mut u8, new: NewCpu) -> &'static Cpu {
    // SAFETY: the caller vouches for the area.
    unsafe {
        let distance = arch::copy_section(area);
        let this = THIS.at(distance).0.get();
        (*this).id = new.id;
        (*this).apic = new.apic;
        (*this).node = new.node;
        (*this).distance = distance;
        (*this).interrupt_stacks = new.interrupt_stacks;
        let this = &*this;
        set_task(this, new.task);
        CPUS[new.id.index()].store(core::ptr::from_ref(this).cast_mut(), Ordering::Release);
        COUNT.fetch_max(new.id.index() + 1, Ordering::Release);
        this
    }
}

impl Cpu {
    /// Makes this the running CPU, with its descriptor tables.
    ///
    /// # Safety
    /// It is, and this was not called before for it.
    pub unsafe fn install(&'static self) {
        // SAFETY: the caller says so.
        unsafe {
            arch::use_copy(self.distance);
            CpuTables::load::<interrupts::Handler>(TABLES.at(self.distance).0.get(), &self.interrupt_stacks);
        }
    }

    /// Tells the others that this CPU runs, and where its stack is.
    pub fn set_online(&self, stack_pointer: usize) {
        self.stack_seen.store(stack_pointer, Ordering::Relaxed);
        self.online.store(true, Ordering::Release);
    }

    /// Whether it runs.
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

    /// Interrupts the CPU, so that it looks again at what is to be done.
    pub fn wake_up(&self) {
        arch::wake_cpu(self.apic);
    }

    /// What the CPU runs.
    pub fn task(&self) -> *const () {
        arch::head_at(self.distance).task.load(Ordering::Relaxed)
    }
}

fn set_task(cpu: &Cpu, task: *const ()) {
    arch::head_at(cpu.distance).task.store(task.cast_mut(), Ordering::Relaxed);
}

/// The running CPU. Where preemption is on, the thread may be on another one a moment later.
#[inline]
pub fn current() -> &'static Cpu {
    // SAFETY: it was written before the CPU ran.
    unsafe { &*THIS.here().0.get() }
}

/// The CPU with this index, if it was made.
#[inline]
pub fn get(id: CpuId) -> Option<&'static Cpu> {
    // SAFETY: only `create` stores here, and CPUs stay.
    unsafe { CPUS.get(id.index())?.load(Ordering::Acquire).as_ref() }
}

/// All CPUs that were made, whether they run or not.
pub fn all() -> impl Iterator<Item = &'static Cpu> + Clone {
    (0..COUNT.load(Ordering::Acquire)).filter_map(|index| get(CpuId(index as u32)))
}

/// The CPUs that run.
pub fn online() -> impl Iterator<Item = &'static Cpu> + Clone {
    all().filter(|cpu| cpu.is_online())
}

/// Whether the CPU runs.
pub fn is_online(id: CpuId) -> bool {
    get(id).is_some_and(Cpu::is_online)
}

/// Halts this CPU until an interrupt has come and was handled. Interrupts are off before and after.
pub fn idle() {
    shootdown::enter_idle();
    arch::halt_until_interrupt();
    shootdown::leave_idle();
}

/// Answers what other CPUs ask of this one, for one that waits for another.
pub fn serve_requests() {
    shootdown::answer();
    preemption::serve_drain();
}
