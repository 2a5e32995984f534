//! Running a function on every CPU at once.
use super::{Outcome, ensure};
use crate::cpu::{self, Cpu};
use crate::threads::thread::Start;
use crate::threads::{cpu_threads, join, lifecycle};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::c_void;
use scheduling::CpuSet;
use units::CpuId;

/// A function, and the CPU on which a thread is to run it.
struct Order {
    cpu: &'static Cpu,
    work: fn(&Cpu),
}

/// Runs `work` on every online CPU at once, and returns when it has ended on all. The caller is the boot thread, which stays on
/// the boot CPU.
pub fn run_on_each_cpu(work: fn(&Cpu)) {
    let this = cpu::current();
    let orders: Vec<_> =
        cpu::online().filter(|cpu| cpu.id != this.id).map(|cpu| Order { cpu, work }).collect();
    let threads: Vec<_> = orders
        .iter()
        .map(|order| {
            let argument = core::ptr::from_ref(order).cast_mut().cast();
            // SAFETY: the argument is an `Order`, which lives until the thread has been joined below.
            let start = unsafe { Start::new(run, argument) };
            lifecycle::create("on_each_cpu", start, Some(order.cpu.node)).expect("memory for a thread")
        })
        .collect();
    work(this);
    for thread in threads {
        let _ = join::join(thread);
    }
}

unsafe extern "C" fn run(order: *mut c_void) -> i32 {
    // SAFETY: `run_on_each_cpu` passes an order, and keeps it until it has joined this thread.
    let order = unsafe { &*order.cast::<Order>() };
    let here = CpuSet::from_iter([order.cpu.id]);
    lifecycle::set_affinity(cpu_threads::current_thread().id, &here).expect("the CPU is online");
    (order.work)(order.cpu);
    0
}

/// Runs a thread with this entry function for each online CPU, and waits for all. The argument of each is its CPU's number, for
/// [`test_on_cpu`], whose result it returns.
pub fn test_on_each_cpu(entry: unsafe extern "C" fn(*mut c_void) -> i32) -> Outcome {
    let mut threads = Vec::new();
    for cpu in cpu::online() {
        // SAFETY: the entry function takes its argument as a number.
        let start = unsafe { Start::new(entry, core::ptr::without_provenance_mut(cpu.id.index())) };
        let thread = lifecycle::create("stress", start, Some(cpu.node));
        threads.push(thread.map_err(|error| format!("no thread for CPU {}: {error:?}", cpu.id))?);
    }
    let mut failed = 0;
    for thread in threads {
        let code = join::join(thread).map_err(|error| format!("a thread was lost: {error:?}"))?;
        failed += u32::from(code != 0);
    }
    ensure!(failed == 0, "{failed} CPUs found something wrong");
    Ok(())
}

/// Moves the running thread to the CPU whose number is the thread's argument, and calls `test` with the CPU and with the outcome of the
/// move. Logs what the test found wrong. Returns 0 if nothing is wrong.
pub fn test_on_cpu(argument: *mut c_void, test: impl FnOnce(CpuId, Outcome) -> Outcome) -> i32 {
    let cpu = CpuId(argument.addr() as u32);
    let this = cpu_threads::current_thread().id;
    let moved = lifecycle::set_affinity(this, &CpuSet::from_iter([cpu]));
    match test(cpu, moved.map_err(|_| String::from("the thread could not be moved there"))) {
        Ok(()) => 0,
        Err(what) => {
            log::error!(target: "selftest", "CPU {cpu}: {what}");
            1
        }
    }
}
