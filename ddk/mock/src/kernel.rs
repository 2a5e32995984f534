//! The kernel that a test talks to: it plugs devices in, starts and ends the driver, lets time pass, and looks at what went wrong.
use crate::arguments::read;
use crate::contexts::{Owner, State};
use crate::disk::Disk;
use crate::driver::{self, Driver};
use crate::finding::{Finding, Kind, Left};
use crate::machine::Machine;
use crate::model::{Bus, DeviceModel};
use crate::pci::Pci;
use crate::process;
use crate::schedule;
use crate::trap;
use crate::world::{self, Counter, describe, with};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::Range;
use std::ptr::with_exposed_provenance;
use std::rc::Rc;

/// The name of the variable that makes [`Kernel::each_seed`] run one seed.
const ONE_SEED: &str = "PROXIMA_MOCK_SEED";
/// The variable that changes the number of seeds.
const SEEDS: &str = "PROXIMA_MOCK_SEEDS";

/// The longest time between two looks of [`Kernel::wait_until`].
const LONGEST_PAUSE_NS: u64 = 1_000_000;

/// The kernel of a run.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    driver: Driver,
}

/// A device that is plugged in, with its model.
pub struct Plugged<M> {
    index: usize,
    model: Rc<RefCell<M>>,
}

impl<M> Clone for Plugged<M> {
    fn clone(&self) -> Self {
        Self { index: self.index, model: self.model.clone() }
    }
}

impl Machine {
    /// Runs a test of a driver on this machine, in a process of its own, so that the driver's statics are as they are when it is loaded.
    /// At the end the driver is unloaded, if that has not been done.
    ///
    /// # Panics
    /// If the test panics, if a finding is left, if the driver leaves more than [`Machine::allow_left`] allows, or if the process
    /// crashes. The message has the log.
    pub fn run(&self, driver: Driver, test: impl FnOnce(&mut Kernel)) {
        if let Err(report) = self.attempt(driver, test) {
            panic!("{report}");
        }
    }

    /// Runs a test as [`Machine::run`] does.
    ///
    /// # Errors
    /// Why the run has failed, as text.
    pub fn attempt(&self, driver: Driver, test: impl FnOnce(&mut Kernel)) -> Result<(), String> {
        process::fork(
            || {
                world::create(self.clone(), schedule::begin);
                trap::install();
                let mut kernel = Kernel { driver };
                test(&mut kernel);
                kernel.end();
            },
            describe,
        )
    }

    /// Runs a test once without a failed allocation, and then once for each allocation that the driver makes, which fails. The test is told
    /// which one: 0 is none.
    ///
    /// # Panics
    /// As [`Machine::run`]. The message names the allocation.
    pub fn run_with_each_allocation_failing(&self, driver: Driver, test: impl Fn(&mut Kernel, u64)) {
        if let Err(report) = self.attempt_with_each_allocation_failing(driver, test) {
            panic!("{report}");
        }
    }

    pub(crate) fn attempt_with_each_allocation_failing(
        &self,
        driver: Driver,
        test: impl Fn(&mut Kernel, u64),
    ) -> Result<(), String> {
        for number in 0.. {
            let outcome = process::fork_with_answer(
                || {
                    world::create(self.clone(), schedule::begin);
                    trap::install();
                    let mut kernel = Kernel { driver };
                    kernel.fail_allocation(number);
                    test(&mut kernel, number);
                    kernel.end();
                    with(|world| world.failures.failed > 0)
                },
                describe,
            );
            match outcome {
                Ok(false) if number == 1 => return Err("the driver allocates nothing".into()),
                // The driver has made fewer allocations than this.
                Ok(false) if number > 1 => break,
                Ok(_) => {}
                Err(report) => return Err(format!("allocation {number} fails: {report}")),
            }
        }
        Ok(())
    }
}

impl Kernel {
    /// Plugs a device in. If the driver is loaded and wants it, it gets it.
    pub fn plug<M: DeviceModel>(&self, pci: Pci, model: M) -> Plugged<M> {
        let model = Rc::new(RefCell::new(model));
        let index = with(|world| world.devices.plug(pci, model.clone()));
        let is_loaded = with(|world| !world.driver.name.is_empty());
        if is_loaded {
            driver::offer(&self.driver, index);
        }
        Plugged { index, model }
    }

    /// Starts the driver, and gives it the devices that it wants. Returns what `Driver_Init` returned.
    pub fn load(&self) -> i32 {
        driver::load(&self.driver)
    }

    /// Ends the driver, and returns what it has left. A run does this at its end.
    pub fn unload(&self) -> Left {
        with(|world| world.driver.left).unwrap_or_else(|| driver::unload(&self.driver))
    }

    /// Pulls a device out: its registers have ones from here on, and the driver is told.
    pub fn pull_out<M>(&self, device: &Plugged<M>) {
        driver::pull_out(&self.driver, device.index);
    }

    /// Returns the block device with this name.
    #[must_use]
    pub fn disk(&self, name: &str) -> Option<Disk> {
        Disk::open(name)
    }

    /// Lets so many nanoseconds of the machine's clock pass. Devices, timers and threads do their work meanwhile.
    pub fn advance(&self, nanoseconds: u64) {
        let until = with(|world| world.clock.now().saturating_add(nanoseconds));
        schedule::block(State::Sleeping(until));
    }

    /// Lets others run until this holds, for a time at most. Returns false if it does not hold then.
    pub fn wait_until(&self, limit_ns: u64, mut holds: impl FnMut() -> bool) -> bool {
        let end = self.now() + limit_ns;
        let mut pause = 1000;
        while !holds() {
            if self.now() >= end {
                return false;
            }
            self.advance(pause);
            pause = (2 * pause).min(LONGEST_PAUSE_NS);
        }
        true
    }

    /// Returns the nanoseconds since the machine has started.
    #[must_use]
    pub fn now(&self) -> u64 {
        with(|world| world.clock.now())
    }

    /// Runs a function on a thread of the test on a CPU, besides what runs already. Requests that it submits are those of this CPU.
    ///
    /// # Panics
    /// If there is no such CPU.
    pub fn spawn(&self, cpu: usize, run: impl FnOnce() + 'static) -> Spawned {
        let entry = Box::new(move || {
            run();
            0
        });
        let id = with(|world| {
            assert!(cpu < world.machine.cpu_count(), "there is no CPU {cpu}");
            let id = world.contexts.create_thread(&mut world.regions, "a thread of the test", cpu, entry)?;
            world.contexts.get_mut(id).owner = Owner::Test;
            Some(id)
        });
        Spawned(id.expect("the host has memory for a stack"))
    }

    /// Runs a function as code of the driver, on a thread of its own, and waits for it: for tests of a driver's parts.
    pub fn as_driver(&self, run: impl FnOnce() + 'static) {
        let entry = Box::new(move || {
            run();
            0
        });
        assert!(schedule::run_thread("the driver", 0, u64::MAX, entry).is_some(), "the thread has not ended");
    }

    /// Gives a device to the driver without `Driver_AddDevice`, and returns its id: for tests of a driver's parts.
    #[must_use]
    pub fn give<M>(&self, device: &Plugged<M>) -> i32 {
        with(|world| {
            let device = &mut world.devices.all[device.index];
            device.owner = Some(Owner::Driver);
            device.id
        })
    }

    /// Sets a parameter of the driver, as the word `driver.NAME.key=value` does.
    pub fn set_parameter(&self, key: &str, value: &str) {
        with(|world| world.parameters.insert(key.into(), value.into()));
    }

    /// Returns the value of a counter that the driver has published; `None` if there is none of this name.
    ///
    /// # Panics
    /// If the driver has freed the counter's memory.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<u64> {
        let is_it = |counter: &&Counter| counter.name == name && counter.owner == Owner::Driver;
        let address = with(|world| world.counters.iter().find(is_it).map(|counter| counter.address))?;
        let value = read(with_exposed_provenance::<u64>(address));
        Some(value.unwrap_or_else(|| panic!("the memory of the counter {name} was freed")))
    }

    /// Makes the driver's allocation with this number fail, counted from now. 0: none fails. Memory, mappings, interrupts, threads, timers
    /// and block devices count.
    pub fn fail_allocation(&self, number: u64) {
        with(|world| {
            let failures = &mut world.failures;
            failures.at = if number == 0 { 0 } else { failures.count + number };
        });
    }

    /// Makes every allocation of the driver fail whose number is a multiple. 0: none fails.
    pub fn fail_every(&self, multiple: u64) {
        with(|world| world.failures.every = multiple);
    }

    /// Returns how many allocations the driver has made, and how many of them have failed.
    #[must_use]
    pub fn allocations(&self) -> (u64, u64) {
        with(|world| (world.failures.count, world.failures.failed))
    }

    /// Runs a test for each seed, in a process of its own that begins with what there is now: the driver is loaded once. The order of
    /// handlers, threads and devices depends on the seed. Each of these runs ends as [`Machine::run`] does.
    ///
    /// With the variable `PROXIMA_MOCK_SEED`, it runs that seed alone; with `PROXIMA_MOCK_SEEDS`, so many from the first on.
    pub fn each_seed(&mut self, seeds: Range<u64>, test: impl Fn(&mut Self, u64)) {
        let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
        let seeds = match (number(ONE_SEED), number(SEEDS)) {
            (Some(seed), _) => seed..seed + 1,
            (None, Some(count)) => seeds.start..seeds.start.saturating_add(count),
            (None, None) => seeds,
        };
        let at_once = std::thread::available_parallelism().map_or(1, NonZero::get);
        let mut children = VecDeque::new();
        for seed in seeds {
            let run = || {
                with(|world| {
                    world.machine.seed = Some(seed);
                    world.random = crate::random::Random::new(seed);
                });
                test(self, seed);
                self.end();
                false
            };
            children.push_back((seed, process::start(run, describe)));
            if children.len() >= at_once {
                children.pop_front().into_iter().for_each(wait_for);
            }
        }
        children.into_iter().for_each(wait_for);
    }

    /// Takes the findings so far. The test asserts on them.
    #[must_use]
    pub fn take_findings(&self) -> Vec<Finding> {
        with(|world| std::mem::take(&mut world.findings))
    }

    /// Takes the findings so far.
    ///
    /// # Panics
    /// If there is one of another kind, or none of this one.
    pub fn expect(&self, kind: Kind) {
        let findings = self.take_findings();
        let all = findings.iter().all(|finding| finding.kind == kind);
        assert!(all && !findings.is_empty(), "expected findings of the kind {kind:?}, found {findings:?}");
    }

    /// Returns the lines of the log so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        with(|world| world.log.clone())
    }

    /// Ends the run: unloads the driver, and looks at what is left.
    fn end(&self) {
        let left = self.unload();
        let overrun = with(|world| {
            let overrun: Vec<_> = world.regions.overrun().cloned().collect();
            for region in &overrun {
                world.found(
                    Kind::Overrun,
                    format!("bytes around {} were overwritten", region.describe(region.start)),
                );
            }
            overrun.len()
        });
        let allowed = with(|world| world.machine.allowed);
        let beyond = left.beyond(&allowed);
        let findings = with(|world| world.findings.len());
        if !beyond.is_empty() {
            process::fail(&format!("a leak: the driver has left {}\n{}", beyond.join(", "), describe()));
        }
        if findings > 0 || overrun > 0 {
            process::fail(&format!("findings are left\n{}", describe()));
        }
    }
}

/// Waits for the run of a seed. If it has failed, this run ends, too.
fn wait_for((seed, child): (u64, process::Child)) {
    if let Err(report) = child.wait() {
        process::fail(&format!("with {ONE_SEED}={seed}: {report}"));
    }
}

/// A thread of the test.
#[derive(Debug)]
pub struct Spawned(usize);

impl Spawned {
    /// Waits until the thread has ended.
    pub fn join(self) {
        schedule::join(self.0, u64::MAX);
    }
}

impl<M: DeviceModel> Plugged<M> {
    /// Uses the model, as if the device did something by itself.
    pub fn with<R>(&self, use_it: impl FnOnce(&mut M, &Bus) -> R) -> R {
        use_it(&mut self.model.borrow_mut(), &Bus { device: self.index })
    }

    /// Returns what `Driver_AddDevice` returned for the device, or `None` if the driver did not get it.
    #[must_use]
    pub fn added(&self) -> Option<i32> {
        with(|world| world.devices.all[self.index].added)
    }

    /// Returns the id that the driver knows the device by.
    #[must_use]
    pub fn id(&self) -> i32 {
        with(|world| world.devices.all[self.index].id)
    }
}
