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

/// Gives the boot CPU its first area, in which it is CPU 0 of node 0. The boot calls this once, before anything else, with
/// interrupts off. `task` is what the CPU runs; exceptions lead to `fault`. The CPU's registers get known values.
///
/// # Panics
/// If it is called twice, or if the section `cpu_local` is larger than the first area.
pub fn init_early(task: &'static impl Task, fault: fn(&Frame) -> !) {
    interrupts::init(fault);
    let memory = &mut MutexGuard::leak(EARLY.try_lock().expect("the first area is used once")).0;
    let interrupt_stacks = arch::early_interrupt_stacks();
    let new = NewCpu { id: CpuId(0), apic: ApicId(0), node: NodeId::ZERO, interrupt_stacks };
    let cpu = registry::place(memory, new, task);
    // SAFETY: the area is new, and the boot CPU has not used another one. The early interrupt stacks are a static that only this
    // call uses. Interrupts are off: the boot loader starts the kernel so, and nothing has switched them on.
    unsafe { install(cpu) };
    arch::init_registers();
}

/// Makes `cpu` the running CPU, with its area and its descriptor tables.
///
/// # Panics
/// If it was called for this CPU before.
///
/// # Safety
/// - The running CPU is the one that `cpu` was made for, and interrupts are off.
/// - Nothing uses the running CPU's former area as the running CPU's from now on.
/// - The interrupt stacks of `cpu` are mapped for good, and nothing else uses them.
pub unsafe fn install(cpu: &'static Cpu) {
    let tables = TABLES.of(cpu).try_lock().expect("a CPU loads its tables once");
    // SAFETY: by the first condition of `# Safety`, the area is the running CPU's and no other's. The former area is unused by
    // the second.
    unsafe { cpu.area.install() };
    // SAFETY: `try_lock` gave this call the tables, and the lock is never released, so nothing else uses them. The first and the
    // third condition of `# Safety` say that interrupts are off and that the stacks stay mapped.
    unsafe { CpuTables::load::<interrupts::Handler>(MutexGuard::leak(tables), cpu.interrupt_stacks()) };
}
