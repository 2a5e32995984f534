//! The soak of plain mutations: `mutations COUNT [FOLDER]` reads COUNT mutated tables on all cores.
//!
//! It mutates tables of the builder and, if FOLDER contains it, of the collection. It prints the number of tables, their
//! findings, and the speed. Case N is the same table on every host with the same collection, for any number of cores. A
//! failure is identified by its block and its case within the block.
mod random;
mod seeds;

use std::cell::Cell;
use std::ops::AddAssign;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{env, panic, process, thread};

use fuzz::machine::{Machine, build};
use fuzz::readers::read;
use random::Random;
use topology::NumaTopology;

/// The number of cases of one seed.
const BLOCK: u64 = 1 << 16;

/// The soak builds a topology in one of this many cases.
const TOPOLOGY_EVERY: u64 = 256;

/// The highest number of mutations of one table.
const MUTATIONS: u64 = 4;

thread_local! {
    /// The current block and the case within it, to reproduce a failure.
    static CASE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// The results of some cases.
#[derive(Default)]
struct Outcome {
    cases: u64,
    /// Tables with findings.
    faulty: u64,
    findings: u64,
    topologies: u64,
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.cases += other.cases;
        self.faulty += other.faulty;
        self.findings += other.findings;
        self.topologies += other.topologies;
    }
}

fn main() {
    let mut arguments = env::args().skip(1);
    let Some(count) = arguments.next().and_then(|count| count.parse().ok()) else {
        eprintln!("usage: mutations COUNT [FOLDER]");
        process::exit(2);
    };
    let machines = seeds::read(arguments.next().as_deref().map(Path::new));
    let tables: usize = machines.iter().map(|machine| machine.tables.len()).sum();
    println!("mutations: of {tables} tables of {} machines", machines.len());

    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let (block, case) = CASE.get();
        eprintln!("mutations: block {block}, case {case}:");
        default_hook(info);
    }));

    let start = Instant::now();
    let total = run(count, &machines);
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "mutations: {} tables, {} of them with {} findings; {} topologies; no panic and no read past a table's end",
        total.cases, total.faulty, total.findings, total.topologies
    );
    println!("mutations: {:.0} a second on {} cores", total.cases as f64 / seconds, cores());
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// Runs all cases on all cores.
fn run(count: u64, machines: &[Machine]) -> Outcome {
    let next_block = AtomicU64::new(0);
    let work = || {
        let mut worker = Worker::new(machines);
        let mut outcome = Outcome::default();
        loop {
            let block = next_block.fetch_add(1, Ordering::Relaxed);
            let first = block.saturating_mul(BLOCK);
            if first >= count {
                return outcome;
            }
            outcome += worker.run_block(block, BLOCK.min(count - first));
        }
    };
    let mut total = Outcome::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            total += worker.join().expect("a panic aborts");
        }
    });
    total
}

/// The state of one core. It reuses its buffers, so a case allocates nothing.
struct Worker<'a> {
    machines: &'a [Machine],
    table: Vec<u8>,
    topology: Box<NumaTopology>,
}

impl<'a> Worker<'a> {
    fn new(machines: &'a [Machine]) -> Self {
        let longest = machines.iter().flat_map(|machine| &machine.tables).map(Vec::len).max().unwrap_or(0);
        // Each mutation may append another table.
        let room = longest * (1 + MUTATIONS as usize);
        Self { machines, table: Vec::with_capacity(room), topology: Box::new(NumaTopology::EMPTY) }
    }

    fn run_block(&mut self, block: u64, cases: u64) -> Outcome {
        let mut random = Random::new(block);
        let mut outcome = Outcome { cases, ..Outcome::default() };
        for case in 0..cases {
            CASE.set((block, case));
            let machine = &self.machines[random.below(self.machines.len() as u64) as usize];
            let which = random.below(machine.tables.len() as u64) as usize;
            self.mutate(machine, which, &mut random);
            let findings = read(&self.table, false) as u64;
            outcome.findings += findings;
            outcome.faulty += u64::from(findings > 0);
            if case % TOPOLOGY_EVERY == 0 {
                let tables = machine.tables.iter().enumerate();
                let tables = tables.map(|(index, table)| if index == which { &self.table } else { table });
                build(tables.map(Vec::as_slice), machine, &mut self.topology);
                outcome.topologies += 1;
            }
        }
        outcome
    }

    fn mutate(&mut self, machine: &Machine, which: usize, random: &mut Random) {
        self.table.clear();
        self.table.extend_from_slice(&machine.tables[which]);
        let mutations = 1 + random.below(MUTATIONS);
        for _ in 0..mutations {
            let other = &machine.tables[random.below(machine.tables.len() as u64) as usize];
            random.mutation().apply(&mut self.table, other);
        }
    }
}
