//! Threads of the host that are CPUs: they run, steal, block and wake while threads are moved about.
#![cfg(not(loom))]
mod machine;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread as host;

use machine::{Cpus, Thread, set};
use run_queue::{Blocked, Progress, leave_if_forbidden, set_affinity, wake};
use units::CpuId;

const CPUS: u32 = 3;
const THREADS: usize = 5;
const MOVES: u32 = 5_000;

/// For each thread the CPUs on which it may run since `set_affinity` returned, a bit each; all while it has not.
type Allowed = [AtomicU32; THREADS];

struct Machine {
    cpus: Cpus,
    threads: Vec<&'static Thread>,
    allowed: Allowed,
    stop: AtomicBool,
    forbidden: AtomicU32,
}

#[test]
fn no_thread_runs_on_a_forbidden_cpu_once_its_affinity_is_set() {
    let all = set(&[0, 1, 2]);
    let machine = Machine {
        cpus: Cpus::new(CPUS),
        threads: (0..THREADS).map(|name| Thread::blocked(name as u32, &all)).collect(),
        allowed: [const { AtomicU32::new(u32::MAX) }; THREADS],
        stop: AtomicBool::new(false),
        forbidden: AtomicU32::new(0),
    };
    machine.threads.iter().for_each(|thread| wake(&machine.cpus, Blocked::claim(thread)));
    host::scope(|scope| {
        let cpus: Vec<_> = (0..CPUS)
            .map(|cpu| {
                scope.spawn({
                    let machine = &machine;
                    move || run_cpu(machine, cpu)
                })
            })
            .collect();
        move_about(&machine);
        machine.stop.store(true, Ordering::SeqCst);
        cpus.into_iter().for_each(|cpu| cpu.join().unwrap());
    });
    assert_eq!(machine.forbidden.load(Ordering::SeqCst), 0);
    // Every thread is in one queue, once.
    let mut left: Vec<_> = (0..CPUS).flat_map(|cpu| machine.cpus.drain(cpu)).collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
}

/// Any sequence will do.
fn next(random: &mut u32) -> u32 {
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    *random
}

fn move_about(machine: &Machine) {
    let mut random = 1;
    for round in 0..MOVES {
        let thread = machine.threads[next(&mut random) as usize % THREADS];
        let cpu = next(&mut random) % CPUS;
        let allowed = &machine.allowed[thread.name as usize];
        allowed.store(u32::MAX, Ordering::SeqCst);
        while set_affinity(&machine.cpus, thread, &set(&[cpu])) != Progress::Done {
            host::yield_now();
        }
        allowed.store(1 << cpu, Ordering::SeqCst);
        if round % 8 == 0 {
            host::yield_now();
        }
    }
}

fn run_cpu(machine: &Machine, cpu: u32) {
    let idle = Thread::running(100 + cpu, CpuId(cpu), &set(&[cpu]));
    let queue = &machine.cpus.queues[cpu as usize];
    let mut random = cpu + 1;
    while !machine.stop.load(Ordering::SeqCst) {
        let steal = || machine.cpus.queues[next(&mut random) as usize % 3].take_for(CpuId(cpu));
        let Some(mut thread) = queue.take_next(idle).or_else(steal) else {
            host::yield_now();
            continue;
        };
        loop {
            thread.on_stack.store(true, Ordering::SeqCst);
            let allowed = machine.allowed[thread.name as usize].load(Ordering::SeqCst);
            machine.forbidden.fetch_add(u32::from(allowed & 1 << cpu == 0), Ordering::SeqCst);
            if next(&mut random).is_multiple_of(3)
                && let Some(other) = queue.give_way(thread)
            {
                thread.on_stack.store(false, Ordering::SeqCst);
                thread = other;
                continue;
            }
            let is_moved = leave_if_forbidden(&machine.cpus, CpuId(cpu), thread);
            if !is_moved {
                wake(&machine.cpus, Blocked::block(thread));
            }
            thread.on_stack.store(false, Ordering::SeqCst);
            break;
        }
    }
}
