//! Properties of lists, run queues and idle CPUs, each against a plain model.
#![cfg(not(loom))]
mod machine;

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

use machine::{Cpus, Thread, set};
use proptest::prelude::*;
use proptest::sample::Index;
use run_queue::{
    Blocked, List, Machine, Progress, Runnable, State, WaitList, leave_if_forbidden, set_affinity, wake,
};
use units::CpuId;

const CPUS: u32 = 3;
const THREADS: usize = 6;

fn threads(count: usize) -> Vec<&'static Thread> {
    (0..count).map(|name| Thread::blocked(name as u32, &set(&[0, 1, 2]))).collect()
}

proptest! {
    #[test]
    fn a_list_is_a_queue_from_the_middle_of_which_threads_can_be_taken(
        steps in prop::collection::vec((0..3_u8, any::<Index>()), 1..100),
    ) {
        let threads = threads(8);
        let (mut list, mut model) = (List::new(), VecDeque::new());
        for (step, index) in steps {
            let name = index.index(threads.len()) as u32;
            match step {
                0 if !model.contains(&name) => {
                    list.push(threads[name as usize]);
                    model.push_back(name);
                }
                1 => prop_assert_eq!(list.pop().map(|thread| thread.name), model.pop_front()),
                _ => {
                    let at = model.iter().position(|&other| other >= name);
                    let wanted = at.and_then(|at| model.remove(at));
                    let taken = list.take_among_first(8, |thread| thread.name >= name);
                    prop_assert_eq!(taken.map(|thread| thread.name), wanted);
                }
            }
        }
        let rest: Vec<_> = std::iter::from_fn(|| list.pop()).map(|thread| thread.name).collect();
        prop_assert_eq!(rest, Vec::from(model));
    }

    #[test]
    fn an_idle_cpu_is_claimed_once_and_never_outside_the_cpus_that_are_allowed(
        idle in prop::collection::btree_set(0..200_u32, 0..20),
        claims in prop::collection::vec((any::<bool>(), 0..200_u32, prop::collection::vec(any::<u64>(), 4)), 1..40),
    ) {
        let cpus = Cpus::new(200);
        let mut outcome = Ok(());
        let ids: Vec<_> = idle.iter().copied().collect();
        while_idle(&cpus, &ids, &mut || outcome = claim_all(&cpus, idle.clone(), &claims));
        outcome?;
        prop_assert!(cpus.idle.is_empty());
    }

    #[test]
    fn queues_are_what_their_model_is_and_no_thread_is_where_it_may_not_be(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut model = Model::new();
        for step in steps {
            model.take_step(step)?;
            model.check()?;
        }
        for cpu in 0..CPUS {
            prop_assert_eq!(model.cpus.drain(cpu), Vec::from(model.queues[cpu as usize].clone()));
        }
    }
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

fn claim_all(
    cpus: &Cpus,
    mut idle: BTreeSet<u32>,
    claims: &[(bool, u32, Vec<u64>)],
) -> Result<(), TestCaseError> {
    for (among, cpu, allowed) in claims {
        if *among {
            let is_allowed = |cpu: &u32| allowed[*cpu as usize / 64] & 1 << (cpu % 64) != 0;
            let first = idle.iter().copied().find(is_allowed);
            prop_assert_eq!(cpus.idle.claim_among(|index| allowed[index]), first.map(CpuId));
            first.map(|cpu| idle.remove(&cpu));
        } else {
            prop_assert_eq!(cpus.idle.claim(CpuId(*cpu)), idle.remove(cpu));
        }
        prop_assert_eq!(cpus.idle.is_empty(), idle.is_empty());
        (0..200).try_for_each(|cpu| {
            prop_assert_eq!(cpus.idle.contains(CpuId(cpu)), idle.contains(&cpu));
            Ok(())
        })?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wake(usize),
    TakeNext(u32),
    GiveWay(u32),
    Block(u32),
    Steal {
        thief: u32,
        victim: u32,
    },
    Restrict(usize, u8),
    /// The CPU leaves the set of CPUs with queued threads, if it may.
    LeaveSet(u32),
    /// The thread that the CPU runs moves away if it must.
    EndSlice(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..THREADS).prop_map(Step::Wake),
        3 => (0..CPUS).prop_map(Step::TakeNext),
        2 => (0..CPUS).prop_map(Step::GiveWay),
        2 => (0..CPUS).prop_map(Step::Block),
        1 => (0..CPUS, 0..CPUS).prop_map(|(thief, victim)| Step::Steal { thief, victim }),
        2 => (0..THREADS, 1..8_u8).prop_map(|(thread, mask)| Step::Restrict(thread, mask)),
        1 => (0..CPUS).prop_map(Step::LeaveSet),
        1 => (0..CPUS).prop_map(Step::EndSlice),
    ]
}

/// The queues of three CPUs, and what they must hold.
struct Model {
    cpus: Cpus,
    threads: Vec<&'static Thread>,
    idle: Vec<&'static Thread>,
    queues: [VecDeque<u32>; CPUS as usize],
    running: [Option<&'static Thread>; CPUS as usize],
    /// The CPUs on which each thread may run, a bit each.
    allowed: [u8; THREADS],
}

impl Model {
    fn new() -> Self {
        Self {
            cpus: Cpus::new(CPUS),
            threads: threads(THREADS),
            idle: (0..CPUS).map(|cpu| Thread::running(100 + cpu, CpuId(cpu), &set(&[cpu]))).collect(),
            queues: Default::default(),
            running: [None; CPUS as usize],
            allowed: [7; THREADS],
        }
    }

    fn run(&mut self, cpu: u32, thread: Option<&'static Thread>) {
        if let Some(before) = self.running[cpu as usize] {
            before.on_stack.store(false, Ordering::Relaxed);
        }
        if let Some(thread) = thread {
            thread.on_stack.store(true, Ordering::Relaxed);
        }
        self.running[cpu as usize] = thread;
    }

    /// Notes a thread that was queued somewhere.
    fn note_queued(&mut self, thread: &Thread) {
        let (_, cpu) = thread.standing();
        self.queues[cpu.index()].push_back(thread.name);
    }

    fn forget_queued(&mut self, thread: &Thread) {
        self.queues.iter_mut().for_each(|queue| queue.retain(|name| *name != thread.name));
    }

    fn take_step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wake(thread) => {
                let thread = self.threads[thread];
                if thread.standing().0 == State::Blocked {
                    wake(&self.cpus, Blocked::claim(thread));
                    self.note_queued(thread);
                }
            }
            Step::TakeNext(cpu) => {
                if self.running[cpu as usize].is_none() {
                    let next = self.cpus.queues[cpu as usize].take_next(self.idle[cpu as usize]);
                    prop_assert_eq!(next.map(|next| next.name), self.queues[cpu as usize].pop_front());
                    self.run(cpu, next);
                }
            }
            Step::GiveWay(cpu) => {
                if let Some(thread) = self.running[cpu as usize] {
                    let next = self.cpus.queues[cpu as usize].give_way(thread);
                    prop_assert_eq!(next.map(|next| next.name), self.queues[cpu as usize].pop_front());
                    if next.is_some() {
                        self.queues[cpu as usize].push_back(thread.name);
                        self.run(cpu, next);
                    }
                }
            }
            Step::Block(cpu) => {
                if let Some(thread) = self.running[cpu as usize] {
                    let mut waiting = WaitList::new();
                    waiting.push(thread);
                    prop_assert_eq!(waiting.pop().unwrap().into_thread().name, thread.name);
                    self.run(cpu, None);
                }
            }
            Step::Steal { thief, victim } => {
                if thief != victim && self.running[thief as usize].is_none() {
                    let allowed = |name: &u32| self.allowed[*name as usize] & 1 << thief != 0;
                    let queue = &self.queues[victim as usize];
                    let wanted = queue.iter().copied().find(allowed);
                    let stolen = self.cpus.queues[victim as usize].take_for(CpuId(thief));
                    prop_assert_eq!(stolen.map(|stolen| stolen.name), wanted);
                    self.queues[victim as usize].retain(|name| Some(*name) != wanted);
                    self.run(thief, stolen);
                }
            }
            Step::Restrict(thread, mask) => self.restrict(thread, mask)?,
            Step::LeaveSet(cpu) => {
                self.cpus.queues[cpu as usize].leave_set_if_empty(&self.cpus.queued);
                let is_empty = self.queues[cpu as usize].is_empty();
                prop_assert!(!is_empty || !self.cpus.queued.contains(CpuId(cpu)));
            }
            Step::EndSlice(cpu) => self.end_slice(cpu),
        }
        Ok(())
    }

    fn restrict(&mut self, thread: usize, mask: u8) -> Result<(), TestCaseError> {
        let cpus: Vec<_> = (0..CPUS).filter(|cpu| mask & 1 << cpu != 0).collect();
        let thread = self.threads[thread];
        let before = thread.standing();
        self.allowed[thread.name as usize] = mask;
        if let Progress::RunsOn(cpu) = set_affinity(&self.cpus, thread, &set(&cpus)) {
            prop_assert_eq!(before, (State::Running, cpu));
            self.end_slice(cpu.0);
            prop_assert_eq!(set_affinity(&self.cpus, thread, &set(&cpus)), Progress::Done);
        } else if before.0 == State::Queued && thread.standing() != before {
            self.forget_queued(thread);
            self.note_queued(thread);
        }
        prop_assert_eq!(thread.entry().affinity(), set(&cpus));
        Ok(())
    }

    fn end_slice(&mut self, cpu: u32) {
        if let Some(thread) = self.running[cpu as usize]
            && leave_if_forbidden(&self.cpus, CpuId(cpu), thread)
        {
            self.note_queued(thread);
            self.run(cpu, None);
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for (cpu, queue) in self.queues.iter().enumerate() {
            let cpu = CpuId(cpu as u32);
            prop_assert_eq!(self.cpus.queue(cpu).unwrap().queued() as usize, queue.len());
            prop_assert!(queue.is_empty() || self.cpus.queued.contains(cpu), "{cpu} is missing in the set");
        }
        for thread in &self.threads {
            let (state, cpu) = thread.standing();
            let queued_at = self.queues.iter().position(|queue| queue.contains(&thread.name));
            let runs_on =
                self.running.iter().position(|other| other.is_some_and(|other| other.name == thread.name));
            prop_assert_eq!(queued_at, (state == State::Queued).then_some(cpu.index()));
            prop_assert_eq!(runs_on, (state == State::Running).then_some(cpu.index()));
            let allowed = self.allowed[thread.name as usize] & 1 << cpu.0 != 0;
            prop_assert!(allowed || state == State::Blocked, "{:?} where it may not be", thread.standing());
        }
        Ok(())
    }
}

#[test]
fn a_thread_that_is_still_on_a_stack_is_passed_over_unless_its_own_cpu_takes_it() {
    let cpus = Cpus::new(2);
    let leaving = Thread::running(1, CpuId(0), &cpus.all);
    let idle = Thread::running(0, CpuId(1), &set(&[1]));
    cpus.put(0, Blocked::block(leaving));
    assert!(cpus.queues[0].take_for(CpuId(1)).is_none());
    assert!(cpus.queues[0].take_next(idle).is_none());
    assert_eq!(cpus.queues[0].queued(), 1);
    assert!(cpus.queues[0].take_next(leaving).is_some_and(|next| next.name == 1));
}

#[test]
fn a_thread_goes_where_it_ran_last_or_to_an_idle_cpu_or_where_it_may() {
    let cpus = Cpus::new(3);
    let woken = |allowed: &[u32]| {
        let thread = Thread::blocked(1, &set(allowed));
        wake(&cpus, Blocked::claim(thread));
        thread.standing().1.0
    };
    while_idle(&cpus, &[2, 0], &mut || assert_eq!(woken(&[0, 1, 2]), 0));
    while_idle(&cpus, &[2], &mut || assert_eq!(woken(&[0, 1]), 0));
    while_idle(&cpus, &[2], &mut || assert_eq!(woken(&[0, 1, 2]), 2));
    assert_eq!(woken(&[0, 1, 2]), 0);
    assert_eq!(woken(&[1]), 1);
    assert_eq!([0, 1, 2].map(|cpu| cpus.interrupts(cpu)), [1, 0, 1]);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "two lists")]
fn a_thread_is_not_in_two_lists() {
    let thread = threads(1)[0];
    let (mut one, mut other) = (List::new(), List::new());
    one.push(thread);
    other.push(thread);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "on the way to")]
fn a_thread_that_does_not_run_does_not_block() {
    let _ = Blocked::block(threads(1)[0]);
}
