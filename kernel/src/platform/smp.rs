//! Bringing all CPUs up, each with its block and its stack in memory of its node, and giving them work.
use super::cpu_topology;
use crate::arch::{self, Context, StartCpu, StartFrames};
use crate::event_stream;
use crate::memory::cache_recall;
use crate::memory::page_allocator::{self, Zeroed};
use crate::memory::shootdown;
use crate::memory::stack::Stack;
use crate::sync::PreemptionOff;
use crate::threading::per_cpu::{self, PerCpu, Work};
use crate::threading::{self, lifecycle};
use crate::verdict;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use events::Event;
use scheduling::CpuSet;
use spin::Once;
use topology::Cpu;
use units::{NodeId, PhysAddr};

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
        let thread = lifecycle::adopt("boot", cpu.node, Context::running())?;
        // The story of the boot is told from one place.
        thread.set_affinity(&CpuSet::from_iter([cpu.id]));
        let block = PerCpu::create(cpu.id, cpu.apic_id, cpu.node, thread)?;
        let idle_stack = Stack::allocate(cpu.node)?;
        // SAFETY: the stack is new, and stays the idle thread's.
        let context = unsafe { Context::fresh(idle_stack.top, threading::idle_main) };
        block.set_idle_thread(lifecycle::adopt("idle", cpu.node, context)?);
        cpu_topology::set_block(block);
        // SAFETY: this is the boot CPU, and the block is new.
        unsafe { block.install() };
        Stack::allocate(cpu.node)
    };
    let stack = boot().expect("a machine that booted has some memory");
    arch::silence_legacy_interrupts();
    arch::init_apic();
    shootdown::leave_idle();
    stack
}

/// A block for a CPU that is to start, which runs its idle thread first.
fn create_block(cpu: &Cpu) -> Option<&'static PerCpu> {
    let thread = lifecycle::adopt("idle", cpu.node, Context::running())?;
    let block = PerCpu::create(cpu.id, cpu.apic_id, cpu.node, thread)?;
    block.set_idle_thread(thread);
    cpu_topology::set_block(block);
    Some(block)
}

/// Starts all other CPUs. One that does not answer is reported and left out, and the verdict is failure.
pub fn start_other_cpus() {
    let boot_cpu = per_cpu::current();
    boot_cpu.set_online(stack_pointer());
    report(boot_cpu.id.index(), true);
    let others = || cpu_topology::cpus().iter().filter(|cpu| cpu.id != boot_cpu.id);
    let mut starting = Vec::new();
    for cpu in others() {
        let parts = create_block(cpu).and_then(|block| Some((block, Stack::allocate(cpu.node)?)));
        match parts {
            Some((block, stack)) => {
                let start = StartCpu {
                    apic: cpu.apic_id,
                    stack_top: stack.top,
                    block: core::ptr::from_ref(block).cast(),
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
    let online = |index: usize| cpu_topology::is_online(ids[index]);
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
        log::error!(target: "cpu", "CPU {} (APIC {}) did not start; going on without it", cpu.id, cpu.apic_id);
        verdict::fail();
    }
    let node = cpu.node.index() as u32;
    event_stream::send(&Event::Cpu { index: cpu.id.0, apic_id: cpu.apic_id.0, node, online });
    if let Some(block) = cpu_topology::block(cpu.id).filter(|_| online) {
        let thread = block.thread();
        let name = thread.name.as_str().into();
        event_stream::send(&Event::Thread { id: thread.id.0, name, cpu: cpu.id.0, node });
    }
}

/// Where every CPU but the first enters the kernel.
extern "C" fn other_cpu_main(block: *const ()) -> ! {
    // SAFETY: `start_other_cpus` hands each CPU the block that it made for it.
    let block = unsafe { &*block.cast::<PerCpu>() };
    // SAFETY: this is the block's CPU, which has just started.
    unsafe { block.install() };
    arch::init_apic();
    shootdown::leave_idle();
    block.set_online(stack_pointer());
    threading::run_idle(block)
}

/// An address in the running stack.
fn stack_pointer() -> usize {
    let here = 0_u8;
    core::ptr::from_ref(core::hint::black_box(&here)).addr()
}

/// Runs `work` on every CPU that is online, on all at once, and returns when all have done it. For the boot CPU, while the
/// others have nothing else to do.
pub fn run_on_each_cpu(work: fn(&PerCpu)) {
    let _off = PreemptionOff::new();
    let this = per_cpu::current();
    let others: Vec<_> = cpu_topology::online().filter(|block| block.id != this.id).collect();
    let order = Work { run: work, done: AtomicUsize::new(0) };
    for block in &others {
        // SAFETY: this call returns only when every CPU has counted itself done, which is the last that it does with it.
        unsafe { block.leave_work(&raw const order) };
    }
    work(this);
    while order.done.load(Ordering::Acquire) < others.len() {
        // One of them may be waiting for this CPU to forget a translation, or to give its pages back.
        shootdown::answer();
        cache_recall::answer();
        core::hint::spin_loop();
    }
}
