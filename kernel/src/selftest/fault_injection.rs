//! Deliberate faults, so that a test can watch how the kernel reports them.
use crate::arch::{self, CpuArea, InterruptsOff, vectors};
use crate::cpu::{self, Cpu, interrupts};
use crate::report::{console, verdict};
use crate::sync::{Rank, SpinLock};
use crate::threads::thread::Start;
use crate::threads::{Mutex, cpu_threads, lifecycle, sleep};
use core::ffi::c_void;
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};
use parameters::Fault;
use scheduling::CpuSet;

/// An address at which nothing is mapped: it lies in the lower half, which the kernel does not use.
const NOT_MAPPED: usize = 0x0dea_dbee_f000;
/// How long the kernel waits for a fault from outside.
const PATIENCE_NS: u64 = 30_000_000_000;

/// Causes the fault that the parameter `fault=` asks for. Returns only if the kernel survives the fault, which is a failure.
pub fn trigger(fault: Fault) {
    match fault {
        Fault::Panic => panic!("asked for by the parameter fault=panic"),
        Fault::Page => write_where_nothing_is_mapped(),
        Fault::Stack => {
            black_box(overflow_stack(black_box(1)));
        }
        Fault::Invalid => arch::invalid_instruction(),
        Fault::Fpu => arch::use_fpu(),
        Fault::OtherCpu => {
            if on_another_cpu(fault_here) {
                sleep::sleep_ns(PATIENCE_NS);
            }
        }
        Fault::Interrupt => {
            interrupts::register(vectors::INJECTED, |_| write_where_nothing_is_mapped());
            arch::interrupt_this_cpu(vectors::INJECTED);
            sleep::sleep_ns(PATIENCE_NS);
        }
        Fault::Log => console::OUTPUT.while_locked(write_where_nothing_is_mapped),
        Fault::Nested => lose_own_data(),
        Fault::Together => {
            if on_another_cpu(meet_and_fault) {
                meet();
            }
            panic!("asked for by the parameter fault=together");
        }
        Fault::Outside => {
            log::info!(target: "boot", "waiting for a fault from outside");
            sleep::sleep_ns(PATIENCE_NS);
        }
        Fault::Wait => wait_with_a_spin_lock(),
    }
    log::error!(target: "boot", "the kernel survived a fault that was asked for");
    verdict::fail();
}

fn write_where_nothing_is_mapped() {
    // SAFETY: nothing is mapped at the address, so the CPU raises a page fault instead of writing.
    unsafe { core::ptr::without_provenance_mut::<u8>(NOT_MAPPED).write_volatile(1) };
}

/// Makes this CPU's own data unreachable, and interrupts it.
fn lose_own_data() {
    let _off = InterruptsOff::new();
    // SAFETY: the interrupt that follows takes the CPU down. Interrupts are off, so no other handler runs before it.
    unsafe { CpuArea::lose() };
    arch::stop_cpu(arch::this_apic_id());
    loop {
        core::hint::spin_loop();
    }
}

/// Runs `work` in a thread on another CPU. Returns false if there is no other CPU.
fn on_another_cpu(work: unsafe extern "C" fn(*mut c_void) -> i32) -> bool {
    let this = cpu::current().id;
    let Some(other) = cpu::online().find(|cpu| cpu.id != this) else { return false };
    let argument = core::ptr::from_ref(other).cast_mut().cast();
    // SAFETY: both functions that are passed take a `Cpu`, which exists for good.
    let start = unsafe { Start::new(work, argument) };
    lifecycle::create("faulty", start, Some(other.node)).is_ok()
}

/// Moves the running thread to a CPU.
///
/// # Safety
/// The argument is a `Cpu`.
unsafe fn move_to(cpu: *mut c_void) {
    // SAFETY: by `# Safety`, and a `Cpu` exists for good.
    let cpu = unsafe { &*cpu.cast::<Cpu>() };
    let _ = lifecycle::set_affinity(cpu_threads::current_thread().id, &CpuSet::from_iter([cpu.id]));
}

unsafe extern "C" fn fault_here(cpu: *mut c_void) -> i32 {
    // SAFETY: `on_another_cpu` passes a `Cpu`.
    unsafe { move_to(cpu) };
    write_where_nothing_is_mapped();
    0
}

unsafe extern "C" fn meet_and_fault(cpu: *mut c_void) -> i32 {
    // SAFETY: `on_another_cpu` passes a `Cpu`.
    unsafe { move_to(cpu) };
    meet();
    write_where_nothing_is_mapped();
    0
}

/// Waits until two CPUs have called this.
fn meet() {
    static HERE: AtomicUsize = AtomicUsize::new(0);
    let _off = InterruptsOff::new();
    HERE.fetch_add(1, Ordering::SeqCst);
    while HERE.load(Ordering::SeqCst) < 2 {
        core::hint::spin_loop();
    }
}

/// Locks a free mutex while a spin lock is held.
fn wait_with_a_spin_lock() {
    static SPINNING: SpinLock<()> = SpinLock::new(Rank::PageTables, ());
    static FREE: Mutex<()> = Mutex::new(());
    let held = SPINNING.lock();
    drop(FREE.lock());
    drop(held);
}

/// Calls itself until the stack overflows.
#[allow(unconditional_recursion, reason = "the stack is to overflow")]
fn overflow_stack(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    here[0] + overflow_stack(black_box(depth + 1))
}
