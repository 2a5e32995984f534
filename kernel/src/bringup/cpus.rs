//! Bringing up all CPUs: the boot CPU moves to its own node, then starts the others.
use super::{new_cpu, start_frames};
use crate::arch::{self, Context, InterruptsOff, StartCpu};
use crate::cpu::{self, Cpu, shootdown};
use crate::memory::cpu_memory;
use crate::memory::stack::Stack;
use crate::platform::cpu_topology;
use crate::report::{event_stream, verdict};
use crate::threads::thread::Thread;
use crate::threads::{self, cpu_threads, lifecycle};
use alloc::vec::Vec;
use events::Event;
use units::CpuId;

/// Gives the boot CPU its own area, in memory of its node, and returns a stack there. To be called once, on the boot CPU.
///
/// # Panics
/// If there is no memory at all.
pub fn adopt_boot_cpu() -> Stack {
    let stack = move_to_own_area(cpu_topology::boot_cpu()).expect("a machine that booted has some memory");
    arch::silence_legacy_interrupts();
    arch::init_apic();
    shootdown::leave_idle(&InterruptsOff::new());
    stack
}

fn move_to_own_area(boot_cpu: &topology::Cpu) -> Option<Stack> {
    let thread = lifecycle::adopt("boot", boot_cpu.id, boot_cpu.node, Context::on_a_cpu())?;
    let cpu = new_cpu::create(boot_cpu, thread)?;
    let idle_stack = Stack::allocate(boot_cpu.node)?;
    // SAFETY: the stack was just allocated, and is never freed.
    let context = unsafe { Context::fresh(idle_stack.top, threads::idle_main) };
    cpu_threads::init(cpu, lifecycle::adopt("idle", boot_cpu.id, boot_cpu.node, context)?);
    // Up to here this CPU has counted in its first area.
    let early = cpu_memory::current();
    // SAFETY: this is the boot CPU. Its interrupt stacks were just allocated for it. Of the former area only the counts are used
    // from here on.
    unsafe { cpu::install(cpu) };
    cpu_memory::current().page_counts.take_over(&early.page_counts);
    Stack::allocate(boot_cpu.node)
}

/// Starts all other CPUs. A CPU that does not come up is reported and left out, and the verdict is failure.
pub fn start_other_cpus() {
    let boot_cpu = cpu::current();
    boot_cpu.set_online(stack_pointer());
    report_started(boot_cpu.id, cpu_threads::current_thread());
    let (ids, starts) = create_other_cpus(boot_cpu.id);
    if ids.is_empty() {
        return;
    }
    let Some(frames) = start_frames::get() else {
        log::error!(target: "cpu", "there is no memory below 1 MiB for starting the other CPUs");
        ids.into_iter().for_each(report_missing);
        return;
    };
    let online = |index: usize| cpu::is_online(ids[index]);
    let mut report = |index: usize, is_online: bool| match cpu_threads::get(ids[index]) {
        Some(threads) if is_online => report_started(ids[index], threads.idle_thread()),
        _ => report_missing(ids[index]),
    };
    // SAFETY: the frames were taken for this and are never freed. Each CPU and its stack were just made, and the CPU does not run
    // yet. `other_cpu_main` expects the CPU.
    unsafe { arch::start_cpus(frames, other_cpu_main, &starts, &online, &mut report) };
}

/// Creates all CPUs but the boot CPU, each with a stack. Reports those for which there is no memory.
fn create_other_cpus(boot_cpu: CpuId) -> (Vec<CpuId>, Vec<StartCpu>) {
    let mut created = Vec::new();
    for of in cpu_topology::cpus().iter().filter(|of| of.id != boot_cpu) {
        let parts = new_cpu::create_idling(of).and_then(|cpu| Some((cpu, Stack::allocate(of.node)?)));
        match parts {
            Some((cpu, stack)) => {
                let argument = core::ptr::from_ref(cpu).cast();
                created.push((of.id, StartCpu { apic: of.apic_id, stack_top: stack.top, argument }));
            }
            None => {
                log::error!(target: "cpu", "there is no memory for CPU {}", of.id);
                report_missing(of.id);
            }
        }
    }
    created.into_iter().unzip()
}

/// Reports on both ports that a CPU has come up, and which thread it runs first.
fn report_started(id: CpuId, thread: &Thread) {
    let cpu = &cpu_topology::cpus()[id.index()];
    log::info!(target: "cpu", "CPU {id} (APIC {}) online on node {}", cpu.apic_id, cpu.node);
    send_event(cpu, true);
    let (name, node) = (thread.name.as_str().into(), cpu.node.index() as u32);
    event_stream::send(&Event::Thread { id: thread.id.0, name, cpu: id.0, node });
}

/// Reports on both ports that a CPU has not come up. The verdict is failure.
fn report_missing(id: CpuId) {
    let cpu = &cpu_topology::cpus()[id.index()];
    log::error!(target: "cpu", "CPU {id} (APIC {}) did not start; boot continues without it", cpu.apic_id);
    verdict::fail();
    send_event(cpu, false);
}

fn send_event(cpu: &topology::Cpu, online: bool) {
    let node = cpu.node.index() as u32;
    event_stream::send(&Event::Cpu { index: cpu.id.0, apic_id: cpu.apic_id.0, node, online });
}

/// Where every CPU but the boot CPU enters the kernel.
extern "C" fn other_cpu_main(cpu: *const ()) -> ! {
    // SAFETY: `create_other_cpus` names for each CPU the `Cpu` that it made for it, which exists for good.
    let cpu = unsafe { &*cpu.cast::<Cpu>() };
    // SAFETY: this is that CPU. It has just started, with no other area; its interrupt stacks were allocated for it.
    unsafe { cpu::install(cpu) };
    arch::init_apic();
    shootdown::leave_idle(&InterruptsOff::new());
    cpu.set_online(stack_pointer());
    threads::run_idle()
}

/// Returns an address in the running stack.
fn stack_pointer() -> usize {
    let here = 0_u8;
    core::ptr::from_ref(core::hint::black_box(&here)).addr()
}
