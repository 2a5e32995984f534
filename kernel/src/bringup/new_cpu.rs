//! What a CPU needs before it can run: its area, its page cache and its interrupt stacks, in memory of its node.
use crate::arch::{
    self, CALL_STACK_BYTES, Context, CpuArea, INTERRUPT_STACK_SIZE, INTERRUPT_STACKS, InterruptStacks,
};
use crate::cpu::{self, Cpu, NewCpu};
use crate::memory::allocate::{self, Zeroed};
use crate::memory::page_uses::PageUse;
use crate::memory::stack::Stack;
use crate::memory::{cpu_memory, heap, page_setup, protection};
use crate::threads::thread::Thread;
use crate::threads::{cpu_threads, lifecycle};
use arrayvec::ArrayVec;
use protection_keys::Key;
use units::{FRAME_SIZE, NodeId, VirtAddr};

/// Creates a CPU that runs its idle thread first. Returns `None` if there is no memory.
pub fn create_idling(of: &topology::Cpu) -> Option<&'static Cpu> {
    let thread = lifecycle::adopt("idle", of.id, of.node, Context::on_a_cpu())?;
    let cpu = create(of, thread)?;
    cpu_threads::init(cpu, thread);
    Some(cpu)
}

/// Creates a CPU that runs `thread` first. Its area, page cache and interrupt stacks are in memory of its node, or of the nearest
/// node that has some. Returns `None` if there is no memory.
pub fn create(of: &topology::Cpu, thread: &'static Thread) -> Option<&'static Cpu> {
    let pages = (CpuArea::size() as u64).div_ceil(FRAME_SIZE);
    let interrupt_stacks = allocate_interrupt_stacks(of.node)?;
    let call_stack = if protection::is_on() { Some(allocate_call_stack(of.node)?) } else { None };
    let frame = allocate::allocate_for_kernel(PageUse::Cpus, of.node, pages, Zeroed::No)?.frame;
    let cache = page_setup::create_cache(of.node);
    let memory = arch::physical_memory(frame.address()).cast();
    // SAFETY: `allocate_for_kernel` has allocated the pages above, so nothing else uses them, and nothing frees them. The map of
    // physical memory has all RAM.
    let memory = unsafe { core::slice::from_raw_parts_mut(memory, (pages * FRAME_SIZE) as usize) };
    let cpu =
        cpu::create(memory, NewCpu { id: of.id, apic: of.apic_id, node: of.node, interrupt_stacks }, thread);
    if let Some(top) = call_stack {
        cpu.set_call_stack(top);
    }
    // SAFETY: the CPU is new, so it does not run on its area yet. The other CPUs are started only after all are created, so the
    // boot CPU, which runs this, is the only one that could read the area.
    unsafe {
        cpu_memory::init(cpu, cache);
        heap::attach(cpu_memory::of(cpu));
    }
    Some(cpu)
}

/// Allocates the stack on which the CPU calls functions of drivers, which is never freed. Returns its end, or `None` if there is no memory.
fn allocate_call_stack(node: NodeId) -> Option<VirtAddr> {
    let stack = Stack::with_pages(node, CALL_STACK_BYTES / FRAME_SIZE)?;
    stack.set_key(Key::CALL_STACKS);
    Some(stack.top)
}

/// Allocates a CPU's interrupt stacks, which are never freed. Returns `None`, with nothing allocated, if there is no memory.
fn allocate_interrupt_stacks(node: NodeId) -> Option<InterruptStacks> {
    let pages = INTERRUPT_STACK_SIZE / FRAME_SIZE;
    let stacks: ArrayVec<Stack, INTERRUPT_STACKS> =
        (0..INTERRUPT_STACKS).map_while(|_| Stack::with_pages(node, pages)).collect();
    if stacks.is_full() {
        // The CPU pushes there with the rights of the code that it has interrupted.
        stacks.iter().for_each(|stack| stack.set_key(Key::CALL_STACKS));
        return Some(core::array::from_fn(|index| stacks[index].top));
    }
    // SAFETY: the lines above have allocated the stacks, and no CPU has an address of them.
    stacks.into_iter().for_each(|stack| unsafe { stack.free() });
    None
}
