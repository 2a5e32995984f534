//! The driver under test: its functions, and the kernel's calls of them from its start to its end.
use crate::contexts::{Owner, State};
use crate::exports::unregister;
use crate::finding::{Kind, Left};
use crate::ownership;
use crate::process;
use crate::regions::is_readable;
use crate::schedule;
use crate::world::{describe, with};
use std::ffi::c_int;

/// The longest that the kernel waits for a function of a driver.
const LIMIT_NS: u64 = 10_000_000_000;
/// How long the kernel waits for a driver's threads.
const THREADS_NS: u64 = 1_000_000_000;

/// The functions of a driver. A driver in Rust has them from `driver_kit::driver!`; [`crate::driver!`] names them.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// The name, for the log.
    pub name: &'static str,
    /// `Driver_Init`.
    pub init: unsafe extern "C" fn() -> c_int,
    /// `Driver_Exit`, if it has it.
    pub exit: Option<unsafe extern "C" fn()>,
    /// `Driver_Devices`, if it has it.
    pub devices: Option<fn() -> Vec<abi::DeviceMatch>>,
    /// `Driver_AddDevice`, if it has it.
    pub add_device: Option<unsafe extern "C" fn(c_int) -> c_int>,
    /// `Driver_RemoveDevice`, if it has it.
    pub remove_device: Option<unsafe extern "C" fn(c_int)>,
}

/// Reads a table `Driver_Devices` up to its end.
///
/// # Safety
/// Elements are there up to one whose `Size` is 0.
#[must_use]
pub unsafe fn read_devices(first: *const abi::DeviceMatch) -> Vec<abi::DeviceMatch> {
    let mut devices = Vec::new();
    // SAFETY: by `# Safety` this element is there, since none before it was the end.
    while let device = unsafe { first.add(devices.len()).read() }
        && device.Size != 0
    {
        devices.push(device);
    }
    devices
}

/// Names the functions of the driver that is linked into the test. Those in parentheses are optional.
///
/// ```ignore
/// use nvme as _; // links the driver
/// let driver = driver_mock::driver!("nvme", Driver_Devices, Driver_RemoveDevice);
/// ```
#[macro_export]
macro_rules! driver {
    ($name:expr $(, $part:ident)* $(,)?) => {{
        #[allow(unused_mut)]
        let mut driver = $crate::Driver {
            name: $name,
            init: $crate::abi::Driver_Init,
            exit: None,
            devices: None,
            add_device: None,
            remove_device: None,
        };
        $($crate::driver_part!(driver, $part);)*
        driver
    }};
}

/// Sets one function of a driver. [`driver!`] uses this.
#[doc(hidden)]
#[macro_export]
macro_rules! driver_part {
    ($driver:ident, Driver_Devices) => {
        unsafe extern "C" {
            static Driver_Devices: $crate::abi::DeviceMatch;
        }
        // SAFETY: the table of a driver ends with an element of size 0.
        $driver.devices = Some(|| unsafe { $crate::read_devices(&raw const Driver_Devices) });
        $driver.add_device = Some($crate::abi::Driver_AddDevice);
    };
    ($driver:ident, Driver_Exit) => {
        $driver.exit = Some($crate::abi::Driver_Exit);
    };
    ($driver:ident, Driver_RemoveDevice) => {
        $driver.remove_device = Some($crate::abi::Driver_RemoveDevice);
    };
}

/// Starts the driver: calls `Driver_Init`, and `Driver_AddDevice` for each device that matches. Returns what `Driver_Init` returned.
pub fn load(driver: &Driver) -> i32 {
    with(|world| {
        world.driver.name = driver.name.into();
        world.driver.matches = driver.devices.map_or_else(Vec::new, |devices| devices());
    });
    let init = driver.init;
    // SAFETY: the function is the driver's, and the kernel calls it once.
    let code = run("Driver_Init", 0, move || unsafe { init() });
    if code == 0 {
        let count = with(|world| world.devices.all.len());
        (0..count).for_each(|index| offer(driver, index));
    }
    code
}

/// Runs a function of the driver on a thread of its own.
fn run(name: &str, cpu: usize, function: impl FnOnce() -> i32 + 'static) -> i32 {
    let Some(code) = schedule::run_thread(name, cpu, LIMIT_NS, Box::new(function)) else {
        process::fail(&format!("{name} has not returned in 10 s of the machine's clock\n{}", describe()));
    };
    code
}

/// Returns a CPU near a device.
fn cpu_of(index: usize) -> usize {
    with(|world| {
        let near = world.devices.all[index].pci.node.map(|node| world.machine.cpus_near(node));
        near.and_then(|cpus| world.contexts.least_busy(cpus.into_iter())).unwrap_or(0)
    })
}

/// Gives a device to the driver, if it wants it.
pub fn offer(driver: &Driver, index: usize) {
    let Some(add) = driver.add_device else { return };
    let id = with(|world| {
        let matches = std::mem::take(&mut world.driver.matches);
        let device = &mut world.devices.all[index];
        let is_wanted = device.owner.is_none()
            && !device.is_gone
            && device.added.is_none()
            && matches.iter().any(|wanted| device.matches(wanted));
        world.driver.matches = matches;
        let device = &mut world.devices.all[index];
        is_wanted.then(|| {
            device.owner = Some(Owner::Driver);
            device.id
        })
    });
    let Some(id) = id else { return };
    // SAFETY: the function is the driver's, which owns the device.
    let code = run("Driver_AddDevice", cpu_of(index), move || unsafe { add(id) });
    with(|world| {
        world.devices.all[index].added = Some(code);
        world.write_log(&format!("device {index}: Driver_AddDevice has returned {code}"));
    });
    if code < 0 {
        ownership::release(index);
        ownership::reset(index);
    }
}

/// Takes a device from the machine, which is gone from here on, as the kernel does.
pub fn pull_out(driver: &Driver, index: usize) {
    with(|world| {
        let device = &mut world.devices.all[index];
        device.is_gone = true;
        device.work_at = None;
    });
    if with(|world| ownership::is_drivers(world, index)) {
        remove(driver, index);
        if driver.remove_device.is_some() {
            ownership::release(index);
        }
    }
}

/// Takes the interrupts and block devices of a device back, and calls `Driver_RemoveDevice`.
fn remove(driver: &Driver, index: usize) {
    let id = with(|world| world.devices.all[index].id);
    ownership::take_interrupts(index);
    let blocks = with(|world| world.blocks.of_device(id));
    blocks.into_iter().for_each(|block| _ = unregister(block));
    if let Some(remove) = driver.remove_device {
        run("Driver_RemoveDevice", cpu_of(index), move || {
            // SAFETY: the function is the driver's, which owns the device.
            unsafe { remove(id) };
            0
        });
    }
}

/// Ends the driver in the kernel's order, and takes back what it has left. Returns what that was.
pub fn unload(driver: &Driver) -> Left {
    with(|world| world.driver.is_stopping = true);
    let blocks = with(|world| world.blocks.of_driver());
    blocks.into_iter().for_each(|block| _ = unregister(block));
    with(|world| world.interfaces.retain(|interface| interface.owner != Owner::Driver));
    let owned = |index: &usize| with(|world| ownership::is_drivers(world, *index));
    let devices: Vec<_> = (0..with(|world| world.devices.all.len())).filter(owned).collect();
    devices.iter().for_each(|index| ownership::take_interrupts(*index));
    devices.iter().for_each(|index| remove(driver, *index));
    if let Some(exit) = driver.exit {
        run("Driver_Exit", 0, move || {
            // SAFETY: the function is the driver's, and the kernel calls it once.
            unsafe { exit() };
            0
        });
    }
    end_counters();
    let mut left = Left::default();
    for index in devices {
        with(|world| world.devices.all[index].enabled = 0);
        ownership::reset(index);
        let taken = ownership::release(index);
        left.mappings += taken.mappings;
        left.dma += taken.dma;
    }
    left.threads = threads_left();
    with(|world| {
        left.timers = world.timers.iter().filter(|timer| timer.owner == Owner::Driver).count();
        world.timers.clear();
    });
    end_threads();
    with(|world| {
        left.heap = world.heap.values().filter(|block| block.owner == Owner::Driver).count();
        left.pages = world.pages.iter().filter(|pages| pages.owner == Owner::Driver).count();
        let users = world.interfaces.iter().flat_map(|interface| &interface.users);
        left.interfaces = users.filter(|user| **user == Owner::Driver).count();
        world.driver.left = Some(left);
    });
    left
}

/// Withdraws the driver's counters. The kernel reads them once more: the driver has not freed their memory.
fn end_counters() {
    with(|world| {
        for counter in std::mem::take(&mut world.counters) {
            if !is_readable(counter.address, size_of::<u64>()) {
                let text = format!("the counter {} is published, and its memory was freed", counter.name);
                world.found(Kind::BadFree, text);
            }
        }
    });
}

/// Returns how many threads of the driver have not ended.
fn threads_left() -> usize {
    with(|world| {
        let is_left = |state: State| !matches!(state, State::Ended(_));
        let contexts = world.contexts.iter();
        contexts.filter(|(_, context)| context.is_joinable && is_left(context.state)).count()
    })
}

/// Ends the waits of the driver's threads, and lets them run for a second.
fn end_threads() {
    with(|world| world.driver.is_ending = true);
    let until = with(|world| world.clock.now() + THREADS_NS);
    while threads_left() > 0 && with(|world| world.clock.now()) < until {
        with(|world| world.contexts.stop_waits());
        schedule::block(State::Sleeping(with(|world| world.clock.now() + THREADS_NS / 100)));
    }
}
