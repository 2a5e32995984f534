//! Running a function on every CPU at once.
use crate::cpu::{self, Cpu};
use crate::threads::thread::Start;
use crate::threads::{cpu_threads, join, lifecycle};
use alloc::vec::Vec;
use core::ffi::c_void;
use scheduling::CpuSet;

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
