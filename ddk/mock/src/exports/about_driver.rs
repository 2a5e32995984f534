//! A driver's parameters and counters, and what it has.
use crate::arguments::{can_write, can_write_sized, read, read_name};
use crate::contexts::{Owner, Role, State};
use crate::enter;
use crate::regions::PAGE;
use crate::world::{Counter, World, with};
use abi::{DriverStatistics, KERNEL_COUNTER_NAME_SIZE, KERNEL_MOST_COUNTERS, KERNEL_PARAMETER_NAME_SIZE};
use std::ffi::{c_char, c_int};

/// The most bytes of a driver's name.
const LONGEST_NAME: usize = 128;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetParameter(
    name: *const c_char,
    value: *mut c_char,
    size: usize,
) -> c_int {
    if !enter::may_wait("Kernel_GetParameter") {
        return -1;
    }
    let name = read_name(name, KERNEL_PARAMETER_NAME_SIZE);
    let Some(name) = name.filter(|name| name.len() < KERNEL_PARAMETER_NAME_SIZE) else { return -1 };
    let Some(text) = with(|world| world.parameters.get(&name).cloned()) else { return -1 };
    if size > 0 {
        let length = text.len().min(size - 1);
        if !can_write(value, length + 1) {
            return -1;
        }
        // SAFETY: the driver may have so many bytes written there.
        unsafe {
            value.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), length);
            value.add(length).write(0);
        }
    }
    c_int::try_from(text.len()).unwrap_or(-1)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_PublishCounter(name: *const c_char, counter: *const u64) -> bool {
    if !enter::may_wait("Kernel_PublishCounter") {
        return false;
    }
    let Some(name) = read_name(name, KERNEL_COUNTER_NAME_SIZE) else { return false };
    let is_there = read(counter).is_some();
    with(|world| {
        let owner = world.caller();
        let published = world.counters.iter().position(|other| (&other.name, other.owner) == (&name, owner));
        if counter.is_null() {
            return published.map(|index| world.counters.remove(index)).is_some();
        }
        let count = world.counters.iter().filter(|other| other.owner == owner).count();
        let is_stopping = world.driver.is_stopping && owner == Owner::Driver;
        let is_refused = published.is_some() || count >= KERNEL_MOST_COUNTERS || is_stopping;
        if !is_there || !is_counter_name(&name) || is_refused || !world.may_allocate() {
            return false;
        }
        world.counters.push(Counter { name, address: counter.expose_provenance(), owner });
        true
    })
}

fn is_counter_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..KERNEL_COUNTER_NAME_SIZE).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetDriverStatistics(
    name: *const c_char,
    statistics: *mut DriverStatistics,
) -> bool {
    if !enter::may_wait("Kernel_GetDriverStatistics") || !can_write_sized(statistics) {
        return false;
    }
    // The machine has one driver.
    let name = if name.is_null() { None } else { Some(read_name(name, LONGEST_NAME)) };
    if name.is_some_and(|name| name.is_none_or(|name| with(|world| world.driver.name != name))) {
        return false;
    }
    let held = with(|world| held_by_driver(world));
    // SAFETY: the structure is there, and the driver may have it written.
    let statistics = unsafe { &mut *statistics };
    *statistics = DriverStatistics { Size: statistics.Size, ..held };
    true
}

/// Returns what the driver has. `Size` is 0.
fn held_by_driver(world: &World) -> DriverStatistics {
    let is_drivers = |owner: Owner| owner == Owner::Driver;
    let pages = world.pages.iter().filter(|pages| is_drivers(pages.owner)).map(|pages| pages.count);
    let per_cpu = world.per_cpu.iter().filter_map(|start| Some(world.regions.find(*start)?.bytes / PAGE));
    let blocks = world.heap.iter().filter(|(_, block)| is_drivers(block.owner));
    let heap = blocks.filter_map(|(start, _)| Some(world.regions.find(*start)?.bytes as u64));
    let grants = world.iommu.open_windows().filter(|(_, window)| window.is_grant);
    let owned = |index: usize| world.devices.all[index].owner == Some(Owner::Driver);
    let threads = world.contexts.iter().filter(|(_, context)| {
        is_drivers(context.owner) && context.role == Role::Thread && !matches!(context.state, State::Ended(_))
    });
    let devices = world.devices.all.iter().filter(|device| device.owner == Some(Owner::Driver));
    DriverStatistics {
        Size: 0,
        Reserved: 0,
        Pages: pages.sum::<u64>() + per_cpu.sum::<usize>() as u64,
        HeapBytes: heap.sum(),
        DmaBytes: grants.map(|(_, window)| window.bytes.next_multiple_of(PAGE as u64)).sum(),
        Threads: threads.count() as u64,
        Interrupts: devices.map(|device| device.interrupts.len() as u64).sum(),
        Timers: world.timers.iter().filter(|timer| is_drivers(timer.owner)).count() as u64,
        Mappings: world.devices.registers.iter().filter(|mapping| owned(mapping.device)).count() as u64,
        Faults: 0,
    }
}
