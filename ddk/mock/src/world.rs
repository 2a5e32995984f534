//! The state of the one machine of this process. Code of drivers and models runs only while nobody uses it.
use crate::blocks::Blocks;
use crate::clock::Clock;
use crate::contexts::{Contexts, Owner};
use crate::devices::Devices;
use crate::finding::{Finding, Kind, Left};
use crate::iommu::Iommu;
use crate::machine::Machine;
use crate::placement::Memory;
use crate::random::Random;
use crate::regions::Regions;
use crate::stepping;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The most findings that are kept.
const MOST_FINDINGS: usize = 64;
/// The most lines of the log that a report shows.
const MOST_LINES: usize = 60;

/// Which allocations fail.
#[derive(Default, Debug)]
pub struct Failures {
    /// The allocations so far.
    pub count: u64,
    /// The number of the one that fails; 0: none.
    pub at: u64,
    /// Every allocation whose number is a multiple fails; 0: none.
    pub every: u64,
    /// How many have failed.
    pub failed: u64,
}

/// Pages that were granted.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    /// The physical address of the first.
    pub address: u64,
    /// How many.
    pub count: u64,
    /// Their node.
    pub node: usize,
    /// The host's address.
    pub memory: usize,
    /// Who has them.
    pub owner: Owner,
}

/// A block of the heap, or memory of each CPU.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Who has it.
    pub owner: Owner,
    /// Its node.
    pub node: usize,
    /// The pages that it counts as.
    pub pages: u64,
}

/// A timer.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    /// The id.
    pub id: i32,
    /// The owner.
    pub owner: Owner,
    /// The CPU.
    pub cpu: usize,
    /// The function and its argument.
    pub callback: (unsafe extern "C" fn(*mut std::ffi::c_void), usize),
    /// When it is due; 0: it is not set.
    pub when: u64,
    /// The time between two calls; 0: one call.
    pub period: u64,
    /// Its callback runs.
    pub is_running: bool,
}

/// An interface that was published.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The name.
    pub name: String,
    /// The version.
    pub version: u32,
    /// The table.
    pub table: usize,
    /// Its bytes.
    pub bytes: usize,
    /// The publisher.
    pub owner: Owner,
    /// The users.
    pub users: Vec<Owner>,
}

/// A counter that was published.
#[derive(Clone, Debug)]
pub struct Counter {
    /// The name.
    pub name: String,
    /// Where the number is.
    pub address: usize,
    /// The publisher.
    pub owner: Owner,
}

/// What is known of the driver under test.
#[derive(Default, Debug)]
pub struct Loaded {
    /// The name, for the log.
    pub name: String,
    /// The devices that it wants.
    pub matches: Vec<abi::DeviceMatch>,
    /// It is being stopped.
    pub is_stopping: bool,
    /// Its functions have returned, and its threads end.
    pub is_ending: bool,
    /// What it has left at its end.
    pub left: Option<Left>,
}

/// The machine.
pub struct World {
    pub machine: Machine,
    pub random: Random,
    pub findings: Vec<Finding>,
    pub log: Vec<String>,
    pub clock: Clock,
    pub contexts: Contexts,
    pub regions: Regions,
    pub memory: Memory,
    pub failures: Failures,
    /// Blocks of the heap, by their address.
    pub heap: BTreeMap<usize, Block>,
    pub pages: Vec<Pages>,
    /// Memory of each CPU.
    pub per_cpu: Vec<usize>,
    pub devices: Devices,
    pub iommu: Iommu,
    pub timers: Vec<Timer>,
    pub timers_created: i32,
    pub blocks: Blocks,
    pub interfaces: Vec<Interface>,
    pub counters: Vec<Counter>,
    /// The driver's parameters, by their keys.
    pub parameters: BTreeMap<String, String>,
    pub driver: Loaded,
}

struct Global(RefCell<Option<Box<World>>>);
// SAFETY: each run is a process of its own with one thread, which alone reaches the machine.
unsafe impl Sync for Global {}
static WORLD: Global = Global(RefCell::new(None));

/// Makes the machine of this process.
pub fn create(machine: Machine, begin: extern "C" fn() -> !) {
    let world = World {
        random: Random::new(machine.seed.unwrap_or(0)),
        findings: Vec::new(),
        log: Vec::new(),
        clock: Clock::new(),
        contexts: Contexts::new(machine.cpu_count(), begin),
        regions: Regions::default(),
        memory: Memory::new(&machine),
        failures: Failures::default(),
        heap: BTreeMap::new(),
        pages: Vec::new(),
        per_cpu: Vec::new(),
        devices: Devices::default(),
        iommu: Iommu::default(),
        timers: Vec::new(),
        timers_created: 0,
        blocks: Blocks::default(),
        interfaces: Vec::new(),
        counters: Vec::new(),
        parameters: BTreeMap::new(),
        driver: Loaded::default(),
        machine,
    };
    *WORLD.0.borrow_mut() = Some(Box::new(world));
}

/// Uses the machine. Nothing of a driver or a model runs meanwhile.
///
/// # Panics
/// If there is no machine: an export was called outside of a run.
pub fn with<R>(use_it: impl FnOnce(&mut World) -> R) -> R {
    stepping::stop();
    let mut world = WORLD.0.borrow_mut();
    use_it(world.as_mut().expect("exports are called in a run of a machine only"))
}

/// Returns true if nobody uses the machine.
pub fn is_free() -> bool {
    WORLD.0.try_borrow_mut().is_ok()
}

/// Looks at the memory of the machine. Returns `None` if somebody uses the machine, or if there is none.
pub fn look_at_regions<R>(look: impl FnOnce(&Regions) -> R) -> Option<R> {
    let world = WORLD.0.try_borrow().ok()?;
    Some(look(&world.as_ref()?.regions))
}

/// Describes the run so far: its seed, findings, threads and log.
pub fn describe() -> String {
    let Ok(world) = WORLD.0.try_borrow() else { return String::new() };
    world.as_ref().map_or(String::new(), |world| world.describe())
}

impl World {
    /// Notes a mistake.
    pub fn found(&mut self, kind: Kind, text: String) {
        self.write_log(&format!("FINDING {kind:?}: {text}"));
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { kind, text });
        }
    }

    /// Writes a line of the log.
    pub fn write_log(&mut self, text: &str) {
        let now = self.clock.now();
        let line = format!("[{:>4}.{:06}] {text}", now / 1_000_000_000, now / 1000 % 1_000_000);
        if self.machine.is_echoed {
            crate::process::echo(&line);
        }
        self.log.push(line);
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        if let Some(seed) = self.machine.seed {
            text += &format!("seed {seed}\n");
        }
        for finding in &self.findings {
            text += &format!("finding {finding}\n");
        }
        text += &format!("threads:\n{}log:\n", self.contexts.describe());
        for line in self.log.iter().skip(self.log.len().saturating_sub(MOST_LINES)) {
            text += &format!("  {line}\n");
        }
        text
    }

    /// Returns who calls.
    pub fn caller(&self) -> Owner {
        self.contexts.here().owner
    }

    /// Returns true if the caller is the driver, whose threads are to end.
    pub fn driver_stops_here(&self) -> bool {
        self.driver.is_ending && self.caller() == Owner::Driver
    }

    /// Counts an allocation. Returns false if it is to fail. Only the driver's fail.
    pub fn may_allocate(&mut self) -> bool {
        if self.caller() != Owner::Driver {
            return true;
        }
        let failures = &mut self.failures;
        failures.count += 1;
        let fails = failures.at == failures.count
            || (failures.every != 0 && failures.count.is_multiple_of(failures.every));
        failures.failed += u64::from(fails);
        !fails
    }

    /// Returns the node of the running CPU.
    pub fn node_here(&self) -> usize {
        self.machine.node_of_cpu(self.contexts.here().cpu as i32).unwrap_or(0)
    }

    /// Returns when the next thing happens by itself.
    pub fn next_due(&self) -> Option<u64> {
        let timers =
            self.timers.iter().filter(|timer| timer.when != 0 && !timer.is_running).map(|timer| timer.when);
        let devices = self.devices.all.iter().filter_map(|device| device.work_at);
        timers.chain(devices).chain(self.contexts.next_due()).min()
    }
}
