//! Models of the protocols: every interleaving of two CPUs, and of three with few preemptions, and every value that the memory
//! model lets a load see. `docs/testing.md` says how they run. loom runs all threads of a model on one
//! thread of the host, so they may share an `Rc`.
#![cfg(loom)]
use std::cell::Cell;
use std::rc::Rc;

use cpu_requests::{
    CpuPassed, CpuTranslations, DrainRequest, GracePeriods, LookRequest, Patience, Shootdown,
};
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use loom::thread;

/// Preemptions of a run with three CPUs, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
const FEW_PREEMPTIONS: usize = 2;

/// Runs the model in every order in which so many CPUs can interleave; with three CPUs only in those with few preemptions.
fn explore(cpus: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.max_branches = 100_000;
    if cpus > 2 {
        builder.preemption_bound = builder.preemption_bound.or(Some(FEW_PREEMPTIONS));
    }
    builder.check(model);
}

/// A page, and its entry in the page tables.
struct Page {
    mapped: AtomicBool,
    /// Read by CPUs that reach the page, written by the CPU that unmapped it. loom fails if the two are not ordered.
    content: UnsafeCell<()>,
}

/// CPUs that share page tables with two pages, both mapped at first.
struct Machine<const CPUS: usize> {
    shootdown: Shootdown,
    translations: [CpuTranslations; CPUS],
    pages: [Page; 2],
}

impl<const CPUS: usize> Machine<CPUS> {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            shootdown: Shootdown::none_yet(),
            translations: std::array::from_fn(|_| CpuTranslations::idle()),
            pages: [(); 2].map(|()| Page { mapped: AtomicBool::new(true), content: UnsafeCell::new(()) }),
        })
    }
}

/// A CPU, with the pages to which it has translations.
struct Cpu<const CPUS: usize> {
    machine: Rc<Machine<CPUS>>,
    index: usize,
    cached: [Cell<bool>; 2],
}

impl<const CPUS: usize> Cpu<CPUS> {
    /// A CPU that has just started, with translations to both pages.
    fn new(machine: &Rc<Machine<CPUS>>, index: usize) -> Self {
        Self { machine: machine.clone(), index, cached: [const { Cell::new(true) }; 2] }
    }

    fn translations(&self) -> &CpuTranslations {
        &self.machine.translations[self.index]
    }

    fn flush(&self) {
        self.cached.iter().for_each(|cached| cached.set(false));
    }

    /// Answers, as a CPU that runs: it may use its translations until it flushes them.
    fn answer(&self) {
        self.machine.shootdown.answer(self.translations(), || {
            let pages = self.machine.pages.iter().zip(&self.cached);
            pages.filter(|(_, cached)| cached.get()).for_each(|(page, _)| page.content.with(|_| ()));
            self.flush();
        });
    }

    fn leave_idle(&self) {
        self.machine.shootdown.leave_idle(self.translations(), || self.flush());
    }

    /// Reads a page if the CPU has a translation to it, or finds one in the tables.
    fn read(&self, page: usize) {
        let (page, cached) = (&self.machine.pages[page], &self.cached[page]);
        cached.set(cached.get() || page.mapped.load(Relaxed));
        if cached.get() {
            page.content.with(|_| ());
        }
    }

    /// Unmaps a page, makes all CPUs flush its translations, and uses its frame for something else.
    fn unmap(&self, page: usize) {
        let machine = &self.machine;
        let page = &machine.pages[page];
        page.mapped.store(false, Relaxed);
        let wait = || {
            self.answer();
            thread::yield_now();
        };
        machine.shootdown.flush_everywhere(
            machine.translations.iter().enumerate(),
            || self.answer(),
            |_| (),
            wait,
        );
        page.content.with_mut(|_| ());
    }
}

/// The first CPU unmaps a page while the second one runs, answers, halts and wakes up.
#[test]
fn no_cpu_reaches_a_page_after_its_shootdown() {
    explore(2, || {
        let machine = Machine::<2>::new();
        let other = Cpu::new(&machine, 1);
        let other = thread::spawn(move || {
            other.leave_idle();
            other.read(0);
            other.answer();
            other.read(0);
            other.translations().enter_idle();
            other.leave_idle();
            other.read(0);
            other.translations().enter_idle();
        });
        let cpu = Cpu::new(&machine, 0);
        cpu.leave_idle();
        cpu.unmap(0);
        other.join().unwrap();
    });
}

/// A CPU that halted during two shootdowns flushes what both removed.
#[test]
fn a_cpu_that_wakes_up_flushes_all_that_it_missed() {
    explore(2, || {
        let machine = Machine::<2>::new();
        let other = Cpu::new(&machine, 1);
        let other = thread::spawn(move || {
            other.leave_idle();
            other.read(0);
            other.read(1);
            other.translations().enter_idle();
        });
        let cpu = Cpu::new(&machine, 0);
        cpu.leave_idle();
        cpu.unmap(0);
        cpu.unmap(1);
        other.join().unwrap();
    });
}

/// Two CPUs unmap a page each, and a third one runs: no CPU waits in a circle, and none reaches a page that is gone.
#[test]
fn two_shootdowns_at_once_on_three_cpus_both_end() {
    explore(3, || {
        let machine = Machine::<3>::new();
        let others = [1, 2].map(|index| {
            let cpu = Cpu::new(&machine, index);
            thread::spawn(move || {
                cpu.leave_idle();
                if index == 1 {
                    cpu.unmap(1);
                }
                cpu.read(0);
                cpu.translations().enter_idle();
            })
        });
        let cpu = Cpu::new(&machine, 0);
        cpu.leave_idle();
        cpu.unmap(0);
        cpu.read(1);
        cpu.translations().enter_idle();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

/// A CPU with a cache that others ask for.
struct Cached {
    request: DrainRequest,
    /// Interrupts the CPU: a request was made, or there will be no more.
    interrupt: Notify,
    /// The pages that have come to the cache so far, and those that were given back so far.
    cached: AtomicU64,
    given_back: AtomicU64,
    is_done: AtomicBool,
}

impl Cached {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            request: DrainRequest::closed(),
            interrupt: Notify::new(),
            cached: AtomicU64::new(1),
            given_back: AtomicU64::new(0),
            is_done: AtomicBool::new(false),
        })
    }

    /// Answers an open request, as the CPU does at the end of each interrupt.
    fn serve(&self) {
        if self.request.is_open() {
            self.request.answer(|| self.given_back.store(self.cached.load(Relaxed), Relaxed));
        }
    }

    /// Asks for what is in the cache, as another CPU. If the request is closed when `is_over` is asked first, or later, what
    /// was cached is given back.
    fn ask(&self, is_over: impl Fn() -> bool) {
        let cached = self.cached.load(Relaxed);
        if self.request.ask(1) {
            self.interrupt.notify();
        }
        let has_given_up = Cell::new(false);
        let now = || {
            has_given_up.set(is_over());
            u64::from(has_given_up.get())
        };
        self.request.wait(Patience { start: 0, limit: 0 }, now, || false, thread::yield_now);
        let given_back = self.given_back.load(Relaxed);
        assert!(
            has_given_up.get() || given_back >= cached,
            "{cached} pages were cached, and {given_back} came back"
        );
    }
}

/// Two CPUs ask, one of them perhaps while the answer to the other is under way: each that sees its request closed finds what
/// it had seen in the cache.
#[test]
fn an_answer_to_two_of_three_cpus_gives_back_what_was_cached_before() {
    explore(3, || {
        let cpu = Cached::new();
        let askers = [(); 2].map(|()| {
            let cpu = cpu.clone();
            thread::spawn(move || cpu.ask(|| true))
        });
        cpu.serve();
        cpu.cached.fetch_add(1, Relaxed);
        cpu.serve();
        askers.into_iter().for_each(|asker| asker.join().unwrap());
    });
}

/// A CPU asks twice, and waits for each answer for as long as it takes.
#[test]
fn no_request_is_lost() {
    explore(2, || {
        let cpu = Cached::new();
        let asker = cpu.clone();
        let asker = thread::spawn(move || {
            (0..2).for_each(|_| asker.ask(|| false));
            asker.is_done.store(true, Release);
            asker.interrupt.notify();
        });
        cpu.serve();
        cpu.cached.fetch_add(1, Relaxed);
        while !cpu.is_done.load(Acquire) {
            cpu.interrupt.wait();
            cpu.serve();
        }
        asker.join().unwrap();
        assert_eq!(cpu.request.interrupts(), 2);
    });
}

/// CPUs that use a page in sections as long as it is mapped.
struct Sections<const CPUS: usize> {
    grace: GracePeriods,
    passed: [CpuPassed; CPUS],
    page: Page,
    /// Set when the CPU is asked.
    asked: [AtomicBool; CPUS],
}

impl<const CPUS: usize> Sections<CPUS> {
    /// Uses the page in a section, passes, and passes again when the CPU is asked.
    fn run(&self, cpu: usize) {
        if self.page.mapped.load(Acquire) {
            self.page.content.with(|_| ());
        }
        self.grace.pass(&self.passed[cpu]);
        while !self.asked[cpu].load(Acquire) {
            thread::yield_now();
        }
        self.grace.pass(&self.passed[cpu]);
    }
}

/// One other CPU: a CPU waits for one after the other, and those share nothing.
#[test]
fn a_grace_period_outlasts_every_section_that_began_before() {
    explore(2, || {
        let sections = Rc::new(Sections::<1> {
            grace: GracePeriods::none_yet(),
            passed: std::array::from_fn(|_| CpuPassed::never()),
            page: Page { mapped: AtomicBool::new(true), content: UnsafeCell::new(()) },
            asked: std::array::from_fn(|_| AtomicBool::new(false)),
        });
        let other = thread::spawn({
            let sections = sections.clone();
            move || sections.run(0)
        });
        sections.page.mapped.store(false, Release);
        let cpus = sections.asked.iter().zip(&sections.passed);
        sections.grace.wait(cpus, |asked: &AtomicBool| asked.store(true, Release), thread::yield_now);
        // loom fails if a section that used the page is not over.
        sections.page.content.with_mut(|_| ());
        other.join().unwrap();
    });
}

/// Two CPUs ask a third one, twice each. Each interrupt that was sent finds a request: one that finds none would be taken for an error of
/// the hardware.
#[test]
fn each_interrupt_to_look_finds_its_request() {
    explore(3, || {
        let request = Rc::new(LookRequest::closed());
        // Interrupts that wait for the CPU. One that is sent while another waits becomes one with that.
        let waiting = Rc::new(AtomicU64::new(0));
        let ask = |request: &LookRequest, waiting: &AtomicU64| {
            for _ in 0..2 {
                if request.ask(1) {
                    waiting.store(1, Release);
                }
            }
        };
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (request, waiting) = (request.clone(), waiting.clone());
                thread::spawn(move || ask(&request, &waiting))
            })
            .collect();
        for _ in 0..2 {
            if waiting.swap(0, AcqRel) == 1 {
                assert!(request.serve(|_| {}), "an interrupt without a request");
            }
            thread::yield_now();
        }
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}
