//! Giving the running CPU its area and its descriptor tables: once at the start of boot, and once each CPU's own area exists.
use super::identity::Cpu;
use super::registry::{self, NewCpu};
use super::{cpu_local, interrupts};
use crate::arch::{self, CpuTables, Frame, Task};
use core::mem::MaybeUninit;
use spin::{Mutex, MutexGuard};
use units::{ApicId, CpuId, NodeId};

cpu_local! {
    /// The CPU's descriptor tables. It keeps the lock for good once it has loaded them.
    static TABLES: Mutex<CpuTables> = Mutex::new(CpuTables::new());
}

/// Bytes of the boot CPU's first area, which it uses until there is memory of its node.
const EARLY_SIZE: usize = 16 * 1024;
#[repr(C, align(64))]
struct EarlyArea([MaybeUninit<u8>; EARLY_SIZE]);
static EARLY: Mutex<EarlyArea> = Mutex::new(EarlyArea([MaybeUninit::uninit(); EARLY_SIZE]));

const _: () = assert!(align_of::<EarlyArea>() == arch::AREA_ALIGNMENT);

/// Gives the boot CPU its first area, in which it is CPU 0 of node 0. To be called once, before anything else. `task` is what
/// the CPU runs; exceptions lead to `fault`.
///
/// # Panics
/// If it is called twice, or if the section `cpu_local` has outgrown the first area.
pub fn init_early(task: &'static impl Task, fault: fn(&Frame) -> !) {
    interrupts::init(fault);
    let memory = &mut MutexGuard::leak(EARLY.try_lock().expect("the first area is used once")).0;
    let interrupt_stacks = arch::early_interrupt_stacks();
    let new = NewCpu { id: CpuId(0), apic: ApicId(0), node: NodeId::ZERO, interrupt_stacks };
    let cpu = registry::place(memory, new, task);
    // SAFETY: the area is new, and the boot CPU has not used another one. No code uses the early interrupt stacks.
    unsafe { install(cpu) };
}

/// Makes `cpu` the running CPU, with its area and its descriptor tables.
///
/// # Panics
/// If it was called for this CPU before.
///
/// # Safety
/// The running CPU is the one that `cpu` was made for. Nothing uses its former area as the running CPU's from now on. Its
/// interrupt stacks are mapped for good, and nothing else uses them.
pub unsafe fn install(cpu: &'static Cpu) {
    let tables = TABLES.of(cpu).try_lock().expect("a CPU loads its tables once");
    // SAFETY: the area belongs to `cpu`, which by `# Safety` is the running CPU; the rest is `# Safety`, too.
    unsafe { cpu.area.install() };
    // SAFETY: the lock is kept for good, so the tables are the CPU's alone; the stacks are by `# Safety`.
    unsafe { CpuTables::load::<interrupts::Handler>(MutexGuard::leak(tables), cpu.interrupt_stacks()) };
}
