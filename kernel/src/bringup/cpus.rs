//! Bringing up all CPUs: the boot CPU moves to its own node, then starts the others.
use super::{new_cpu, start_frames};
use crate::arch::{self, Context, InterruptsOff, StartCpu};
use crate::clock;
use crate::cpu::{self, Cpu, shootdown};
use crate::memory::cpu_memory;
use crate::memory::page_uses::EarlyUses;
use crate::memory::stack::Stack;
use crate::platform::cpu_topology;
use crate::report::{event_stream, verdict};
use crate::threads::thread::Thread;
use crate::threads::{self, cpu_threads, lifecycle};
use alloc::vec::Vec;
use events::Event;
use units::CpuId;

/// How long the boot waits for the next CPU to come online. A busy host may stop an emulated CPU for seconds.
const ONLINE_TIMEOUT_US: u64 = 5_000_000;

/// Gives the boot CPU its own area, in memory of its node, and returns a stack there. The boot calls this once, on the boot CPU,
/// with interrupts off. If there is no memory for them, the boot ends with the verdict of failure.
pub fn adopt_boot_cpu() -> Stack {
    let stack = move_to_own_area(cpu_topology::boot_cpu())
        .unwrap_or_else(|| verdict::stop_without_memory_for("the boot CPU"));
    arch::init_apic();
    init_machine_checks();
    shootdown::leave_idle(&InterruptsOff::new());
    stack
}

fn move_to_own_area(boot_cpu: &topology::Cpu) -> Option<Stack> {
    let thread = lifecycle::adopt("boot", boot_cpu.id, boot_cpu.node, Context::on_a_cpu())?;
    let cpu = new_cpu::create(boot_cpu, thread)?;
    let idle_stack = Stack::allocate(boot_cpu.node)?;
    // SAFETY: the line above has allocated the stack, so nothing else uses it. It is never freed.
    let context = unsafe { Context::fresh(idle_stack.top, threads::idle_main) };
    cpu_threads::init(cpu, lifecycle::adopt("idle", boot_cpu.id, boot_cpu.node, context)?);
    // The counts in the CPU's first area go to its own area below.
    let (early, uses) = (cpu_memory::current(), EarlyUses::of_this_cpu());
    // SAFETY: this is the boot CPU, and interrupts are off: `boot_on_own_node` switches them on later. `new_cpu::create` has
    // allocated the interrupt stacks for this CPU and never frees them. Of the former area, only the counts are used, as data.
    unsafe { cpu::install(cpu) };
    cpu_memory::current().page_counts.take_over(&early.page_counts);
    uses.take_over();
    Stack::allocate(boot_cpu.node)
}

/// Starts all other CPUs. If one does not become online, the boot goes on without it, and the verdict is failure.
pub fn start_other_cpus() {
    let boot_cpu = cpu::current();
    boot_cpu.come_online(stack_pointer());
    report_started(boot_cpu.id, cpu_threads::current_thread());
    let (ids, starts) = create_other_cpus(boot_cpu.id);
    if ids.is_empty() {
        return;
    }
    match start_frames::get() {
        Some(frames) => {
            // A CPU that starts late reads its entry late, so the list stays for good.
            let starts = starts.leak();
            let is_online = |index: usize| cpu::is_online(ids[index]);
            // SAFETY: `start_frames` has reserved the frames for this call and never frees them. `create_other_cpus` has created
            // each CPU, which does not run yet, and allocated its stack, which is never freed. The argument is the `Cpu` that
            // `other_cpu_main` expects.
            unsafe { arch::start_cpus(frames, other_cpu_main, starts, &is_online, &clock::wait_until) };
            wait_for_cpus(&ids);
        }
        None => log::error!(target: "cpu", "there is no memory below 1 MiB for starting the other CPUs"),
    }
    ids.into_iter().for_each(report_outcome);
}

/// Waits until all of these CPUs are online, or until none has come for [`ONLINE_TIMEOUT_US`]. Compares the clock of each that
/// comes: until then the CPU runs no thread.
fn wait_for_cpus(ids: &[CpuId]) {
    let cpus = || ids.iter().filter_map(|id| cpu::get(*id));
    let next = || cpus().find(|cpu| cpu.is_online() && !clock::is_compared(cpu));
    while cpus().any(|cpu| !clock::is_compared(cpu)) {
        let _ = clock::wait_until(ONLINE_TIMEOUT_US, &|| next().is_some());
        match next() {
            Some(cpu) => clock::compare_with(cpu),
            None => break,
        }
    }
}

/// Reports whether the CPU is online. Gives it up if it is not.
fn report_outcome(id: CpuId) {
    let Some(cpu) = cpu::get(id) else { return };
    if cpu.give_up() {
        // In hex, as in findings about firmware's tables.
        let apic = cpu.apic.0;
        log::error!(target: "cpu", "CPU {id} (APIC {apic:#x}) did not answer its startup messages; it stays off");
        report_missing(id);
        return;
    }
    if !clock::is_compared(cpu) {
        // It came after the wait was over.
        clock::compare_with(cpu);
    }
    if let Some(threads) = cpu_threads::get(id) {
        report_started(id, threads.idle_thread());
    }
}

/// Creates all CPUs but the boot CPU, each with a stack. Reports those for which there is no memory.
fn create_other_cpus(boot_cpu: CpuId) -> (Vec<CpuId>, Vec<StartCpu>) {
    let (mut ids, mut starts) = (Vec::new(), Vec::new());
    for of in cpu_topology::cpus().iter().filter(|of| of.id != boot_cpu) {
        let has_room = ids.try_reserve(1).is_ok() && starts.try_reserve(1).is_ok();
        let create = || Some((new_cpu::create_idling(of)?, Stack::allocate(of.node)?));
        let parts = if has_room { create() } else { None };
        match parts {
            Some((cpu, stack)) => {
                let argument = core::ptr::from_ref(cpu).cast();
                ids.push(of.id);
                starts.push(StartCpu { apic: of.apic_id, stack_top: stack.top, argument });
            }
            None => {
                log::error!(target: "cpu", "there is no memory for CPU {}; it stays off", of.id);
                report_missing(of.id);
            }
        }
    }
    (ids, starts)
}

/// Reports on both ports that a CPU is online, and which thread it runs first.
fn report_started(id: CpuId, thread: &Thread) {
    let cpu = &cpu_topology::cpus()[id.index()];
    log::info!(target: "cpu", "CPU {id} (APIC {}) online on node {}", cpu.apic_id, cpu.node);
    send_event(cpu, true);
    let (name, node) = (thread.name.as_str().into(), cpu.node.index() as u32);
    event_stream::send(&Event::Thread { id: thread.id.0, name, cpu: id.0, node });
}

/// Sends the event that a CPU is not online. The caller has logged the reason. The verdict is failure.
fn report_missing(id: CpuId) {
    verdict::fail();
    send_event(&cpu_topology::cpus()[id.index()], false);
}

fn send_event(cpu: &topology::Cpu, online: bool) {
    let node = cpu.node.index() as u32;
    event_stream::send(&Event::Cpu { index: cpu.id.0, apic_id: cpu.apic_id.0, node, online });
}

/// Runs every CPU but the boot CPU, from its start page on.
extern "C" fn other_cpu_main(cpu: *const ()) -> ! {
    // SAFETY: `create_other_cpus` passes the `Cpu` that it has created for this CPU, which exists for good.
    let cpu = unsafe { &*cpu.cast::<Cpu>() };
    // SAFETY: this is that CPU, and the start page's code has switched interrupts off. The CPU has no former area.
    // `new_cpu::create` has allocated the interrupt stacks for this CPU and never frees them.
    unsafe { cpu::install(cpu) };
    arch::init_registers();
    arch::init_apic();
    init_machine_checks();
    let off = InterruptsOff::new();
    shootdown::leave_idle(&off);
    if !cpu.come_online(stack_pointer()) {
        // Nobody may wait for this CPU, which does nothing from here on.
        shootdown::enter_idle(&off);
        arch::halt_forever();
    }
    drop(off);
    clock::answer_boot_cpu();
    threads::run_idle()
}

/// Makes the running CPU report machine checks, and logs those that it has kept from before the boot.
fn init_machine_checks() {
    arch::init_machine_checks(&mut |error| {
        log::warn!(target: "cpu", "from before this boot, CPU {} has in {error}", cpu::current().id);
    });
}

/// Returns an address in the running stack.
fn stack_pointer() -> usize {
    let here = 0_u8;
    core::ptr::from_ref(core::hint::black_box(&here)).addr()
}
