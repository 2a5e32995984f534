//! Bringing all CPUs up, each with its block and its stack in memory of its node, and giving them work.
use crate::arch::{
    self, Context, INTERRUPT_STACK_SIZE, INTERRUPT_STACKS, InterruptStacks, StartCpu, StartFrames,
};
use crate::cpu::{self, Cpu, NewCpu, shootdown};
use crate::memory::cpu_memory;
use crate::memory::page_allocator::{self, Zeroed};
use crate::memory::stack::Stack;
use crate::platform::cpu_topology;
use crate::report::{event_stream, verdict};
use crate::threads::thread::Thread;
use crate::threads::{self, cpu_threads, lifecycle};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use events::Event;
use scheduling::CpuSet;
use spin::Once;
use units::{FRAME_SIZE, NodeId, PhysAddr};

/// The last address that real mode reaches, and the last that 32 bits do.
const BELOW_1_MIB: PhysAddr = PhysAddr(0x000f_ffff);
const BELOW_4_GIB: PhysAddr = PhysAddr(0xffff_ffff);

/// The frames that CPUs start from. They stay taken: a CPU that was given up on may still wake up and read them.
static START_FRAMES: Once<StartFrames> = Once::new();

/// Takes the frames that the other CPUs will start from, before anybody else takes the little memory that real mode reaches.
pub fn reserve_start_frames() {
    let boot_cpu = cpu_topology::boot_cpu();
    if cpu_topology::cpus().len() > 1
        && let Some(frames) = take_start_frames(boot_cpu.node)
    {
        START_FRAMES.call_once(|| frames);
    }
}

fn take_start_frames(node: NodeId) -> Option<StartFrames> {
    let start_page = page_allocator::allocate_below(node, BELOW_1_MIB, Zeroed::Yes)?;
    let mut tables = [start_page; 4];
    for table in &mut tables {
        *table = page_allocator::allocate_below(node, BELOW_4_GIB, Zeroed::Yes)?;
    }
    Some(StartFrames { start_page, tables })
}

/// Gives the boot CPU its own block, in memory of its node, and returns a stack there. To be called once, on the boot CPU.
///
/// # Panics
/// When there is no memory at all.
pub fn adopt_boot_cpu() -> Stack {
    let cpu = cpu_topology::boot_cpu();
    let boot = || {
        let thread = lifecycle::adopt("boot", cpu.node, Context::on_a_cpu())?;
        // The story of the boot is told from one place.
        thread.set_affinity(&CpuSet::from_iter([cpu.id]));
        let block = create(cpu, thread)?;
        let idle_stack = Stack::allocate(cpu.node)?;
        // SAFETY: the stack is new, and stays the idle thread's.
        let context = unsafe { Context::fresh(idle_stack.top, threads::idle_main) };
        cpu_threads::init(block, lifecycle::adopt("idle", cpu.node, context)?);
        thread.set_cpu(cpu.id);
        // Up to here this CPU has counted in its first copy.
        let early = cpu_memory::current();
        // SAFETY: this is the boot CPU, and the block is new.
        unsafe { block.install() };
        cpu_memory::current().page_counts.take_over(&early.page_counts);
        Stack::allocate(cpu.node)
    };
    let stack = boot().expect("a machine that booted has some memory");
    arch::silence_legacy_interrupts();
    arch::init_apic();
    shootdown::leave_idle();
    stack
}

/// A CPU that is to start, which runs its idle thread first.
fn create_idling(cpu: &topology::Cpu) -> Option<&'static Cpu> {
    let thread = lifecycle::adopt("idle", cpu.node, Context::on_a_cpu())?;
    let block = create(cpu, thread)?;
    cpu_threads::init(block, thread);
    Some(block)
}

/// What a CPU has of its own, in memory of its node or the nearest that has some; `None` when there is none at all.
fn create(cpu: &topology::Cpu, thread: &'static Thread) -> Option<&'static Cpu> {
    let pages = (cpu::area_size() as u64).div_ceil(FRAME_SIZE);
    let interrupt_stacks = allocate_interrupt_stacks(cpu.node)?;
    let frame = page_allocator::allocate_for_kernel(cpu.node, pages, Zeroed::No)?.frame;
    let cache = page_allocator::create_cache(cpu.node);
    let task = core::ptr::from_ref(thread).cast();
    let new = NewCpu { id: cpu.id, apic: cpu.apic_id, node: cpu.node, interrupt_stacks, task };
    // SAFETY: the pages are fresh, large enough, and stay the CPU's for good; it does not run on them yet.
    unsafe {
        let block = cpu::create(arch::physical_memory(frame.address()), new);
        cpu_memory::init(block, cache);
        Some(block)
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

/// Starts all other CPUs. One that does not answer is reported and left out, and the verdict is failure.
pub fn start_other_cpus() {
    let boot_cpu = cpu::current();
    boot_cpu.set_online(stack_pointer());
    report(boot_cpu.id.index(), true);
    let others = || cpu_topology::cpus().iter().filter(|cpu| cpu.id != boot_cpu.id);
    let mut starting = Vec::new();
    for cpu in others() {
        let parts = create_idling(cpu).and_then(|block| Some((block, Stack::allocate(cpu.node)?)));
        match parts {
            Some((block, stack)) => {
                let start = StartCpu {
                    apic: cpu.apic_id,
                    stack_top: stack.top,
                    argument: core::ptr::from_ref(block).cast(),
                };
                starting.push((cpu.id, start));
            }
            None => {
                log::error!(target: "cpu", "no memory for CPU {}", cpu.id);
                report(cpu.id.index(), false);
            }
        }
    }
    if starting.is_empty() {
        return;
    }
    let (ids, starts): (Vec<_>, Vec<_>) = starting.into_iter().unzip();
    let Some(frames) = START_FRAMES.get() else {
        log::error!(target: "cpu", "no memory below 1 MiB to start the other CPUs from");
        ids.iter().for_each(|id| report(id.index(), false));
        return;
    };
    let online = |index: usize| cpu::is_online(ids[index]);
    let mut report_start = |index: usize, online| report(ids[index].index(), online);
    // SAFETY: the frames are fresh and stay taken; blocks and stacks are new; no other CPU runs yet.
    unsafe { arch::start_cpus(frames, other_cpu_main, &starts, &online, &mut report_start) };
}

/// Says whether the CPU came up, on both ports.
fn report(index: usize, online: bool) {
    let cpu = &cpu_topology::cpus()[index];
    if online {
        log::info!(target: "cpu", "CPU {} (APIC {}) online on node {}", cpu.id, cpu.apic_id, cpu.node);
    } else {
        // In hex, as firmware's tables and findings have it.
        let (id, apic) = (cpu.id, cpu.apic_id.0);
        log::error!(target: "cpu", "CPU {id} (APIC {apic:#x}) did not answer its startup messages; it stays off");
        verdict::fail();
    }
    let node = cpu.node.index() as u32;
    event_stream::send(&Event::Cpu { index: cpu.id.0, apic_id: cpu.apic_id.0, node, online });
    if let Some(block) = cpu::get(cpu.id).filter(|_| online) {
        // SAFETY: a CPU runs threads; neither the boot thread nor an idle thread ends.
        let thread = unsafe { &*block.task().cast::<Thread>() };
        let name = thread.name.as_str().into();
        event_stream::send(&Event::Thread { id: thread.id.0, name, cpu: cpu.id.0, node });
    }
}

/// Where every CPU but the first enters the kernel.
extern "C" fn other_cpu_main(block: *const ()) -> ! {
    // SAFETY: `start_other_cpus` hands each CPU the block that it made for it.
    let block = unsafe { &*block.cast::<Cpu>() };
    // SAFETY: this is the block's CPU, which has just started.
    unsafe { block.install() };
    arch::init_apic();
    shootdown::leave_idle();
    block.set_online(stack_pointer());
    threads::run_idle()
}

/// An address in the running stack.
fn stack_pointer() -> usize {
    let here = 0_u8;
    core::ptr::from_ref(core::hint::black_box(&here)).addr()
}
