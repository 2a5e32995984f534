//! All CPUs, by index.
use super::cpu_local;
use super::identity::Cpu;
use crate::arch::{CpuArea, InterruptStacks, Task};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering};
use spin::Once;
use topology::MAX_CPUS;
use units::{ApicId, CpuId, NodeId};

cpu_local! {
    /// The CPU whose area this is. Set before the CPU uses the area.
    static THIS: Once<Cpu> = Once::new();
}

/// All CPUs that were created, by index.
static CPUS: [Once<&'static Cpu>; MAX_CPUS] = [const { Once::new() }; MAX_CPUS];
/// All indices in use are below this.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// What identifies a new CPU.
pub struct NewCpu {
    /// Its index.
    pub id: CpuId,
    /// The id of its APIC.
    pub apic: ApicId,
    /// Its node.
    pub node: NodeId,
    /// The ends of its interrupt stacks.
    pub interrupt_stacks: InterruptStacks,
}

/// Makes `memory` a CPU's area, with the CPU in it. `task` is what the CPU runs first.
///
/// # Panics
/// If `memory` is too short or not aligned; see [`CpuArea::new`].
pub(super) fn place(
    memory: &'static mut [MaybeUninit<u8>],
    new: NewCpu,
    task: &'static impl Task,
) -> &'static Cpu {
    let NewCpu { id, apic, node, interrupt_stacks } = new;
    let area = CpuArea::new(memory);
    area.set_task(task);
    THIS.of_area(area).call_once(|| Cpu::new(id, apic, node, area, interrupt_stacks))
}

/// Makes `memory` a CPU's area, and registers the CPU. `task` is what the CPU runs first.
///
/// # Panics
/// If `memory` is too short or not aligned (see [`CpuArea::new`]), or if there is a CPU with this index.
pub fn create(memory: &'static mut [MaybeUninit<u8>], new: NewCpu, task: &'static impl Task) -> &'static Cpu {
    let cpu = place(memory, new, task);
    let registered = *CPUS[cpu.id.index()].call_once(|| cpu);
    assert!(core::ptr::eq(registered, cpu), "there is a CPU {} already", cpu.id);
    COUNT.fetch_max(cpu.id.index() + 1, Ordering::Release);
    cpu
}

/// Returns the running CPU. Unless preemption is off, the thread may move to another CPU at any time.
///
/// # Panics
/// Never: `init_early` creates the first CPU before anything else runs.
#[inline]
pub fn current() -> &'static Cpu {
    THIS.here_or_elsewhere().get().expect("a CPU's area has the CPU")
}

/// Returns the CPU with this index, or `None` if it was not created.
#[inline]
pub fn get(id: CpuId) -> Option<&'static Cpu> {
    CPUS.get(id.index())?.get().copied()
}

/// Returns all CPUs that were created, online or not.
pub fn all() -> impl Iterator<Item = &'static Cpu> + Clone {
    CPUS[..COUNT.load(Ordering::Acquire)].iter().filter_map(|cpu| cpu.get().copied())
}

/// Returns the CPUs that are online.
pub fn online() -> impl Iterator<Item = &'static Cpu> + Clone {
    all().filter(|cpu| cpu.is_online())
}

/// Returns true if the CPU with this index is online.
pub fn is_online(id: CpuId) -> bool {
    get(id).is_some_and(Cpu::is_online)
}
