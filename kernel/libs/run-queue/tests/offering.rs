//! A busy CPU wakes an idle one for its waiting threads only if one of them may run there.
#![cfg(not(loom))]
mod machine;

use machine::{Cpus, Thread, set};
use run_queue::{Blocked, offer_work};
use units::CpuId;

/// Queues threads at CPU 0, each of which may run on some CPUs, and lets CPU 0 offer them while CPUs of a machine with six halt.
/// Returns the CPUs that were interrupted.
#[track_caller]
fn woken(threads: &[&[u32]], idle: &[u32]) -> Vec<u32> {
    let cpus = Cpus::new(6);
    for (name, allowed) in (0..).zip(threads) {
        let thread = Thread::blocked(name, &set(allowed));
        cpus.put(0, Blocked::claim(thread));
    }
    while_idle(&cpus, idle, &mut || offer_work(&cpus, CpuId(0)));
    (0..6).flat_map(|cpu| vec![cpu; cpus.interrupts(cpu) as usize]).collect()
}

/// Calls `work` while these CPUs halt.
fn while_idle(cpus: &Cpus, ids: &[u32], work: &mut dyn FnMut()) {
    match ids {
        [] => work(),
        [first, rest @ ..] => {
            cpus.halt(*first, || while_idle(cpus, rest, work));
        }
    }
}

const ALL: &[u32] = &[0, 1, 2, 3, 4, 5];

#[test]
fn no_cpu_is_woken_for_threads_that_may_not_run_there() {
    assert_eq!(woken(&[&[0], &[0], &[0, 1]], &[2, 3, 4, 5]), []);
}

#[test]
fn the_nearest_idle_cpu_is_woken_on_which_a_thread_may_run() {
    assert_eq!(woken(&[ALL], &[5, 1, 3]), [1]);
    assert_eq!(woken(&[ALL], &[5, 3]), [3]);
    assert_eq!(woken(&[&[0, 4, 5]], &[5, 1, 3]), [5]);
}

#[test]
fn one_cpu_is_woken_even_if_several_threads_wait() {
    assert_eq!(woken(&[ALL, ALL, ALL], &[1, 2, 3, 4, 5]), [1]);
}

#[test]
fn a_thread_is_offered_that_waits_behind_others_which_must_stay() {
    assert_eq!(woken(&[&[0], &[0], &[0], ALL], &[3]), [3]);
}

#[test]
fn the_length_of_the_queue_does_not_matter() {
    let mut threads = vec![&[0][..]; 8];
    threads.push(ALL);
    assert_eq!(woken(&threads, &[3]), []);
    assert_eq!(woken(&threads[1..], &[3]), [3]);
}

#[test]
fn no_thread_is_offered_whose_cpu_still_stands_on_its_stack() {
    let cpus = Cpus::new(2);
    let leaving = Thread::running(1, CpuId(0), &cpus.all);
    cpus.put(0, Blocked::block(leaving));
    while_idle(&cpus, &[1], &mut || offer_work(&cpus, CpuId(0)));
    assert_eq!(cpus.interrupts(1), 0);
}

#[test]
fn a_thief_looks_at_cpus_with_queued_threads_group_by_group_and_begins_behind_itself() {
    let cpus = Cpus::new(200);
    for cpu in [199, 3, 64, 70, 66, 130, 65] {
        cpus.put(cpu, Blocked::claim(Thread::blocked(cpu, &set(&[cpu]))));
    }
    let groups = [set(&(60..70).collect::<Vec<_>>()), (0..200).map(CpuId).collect()];
    let order = |thief| {
        let cpus = cpus.queued.from(CpuId(thief), groups.iter());
        cpus.map(|cpu| cpu.0).collect::<Vec<_>>()
    };
    assert_eq!(order(65), [66, 64, 66, 70, 130, 199, 3, 64]);
    assert_eq!(order(199), [64, 65, 66, 3, 64, 65, 66, 70, 130]);
    assert_eq!(order(0), [64, 65, 66, 3, 64, 65, 66, 70, 130, 199]);
}
