//! The end of a driver, in the order in which it can do no harm: what it serves to others, its handlers, its own functions, its devices,
//! timers and threads, and then all that it has. The order is the same for a driver that is unloaded, that is refused, or that has failed.
use super::call::{self, Call};
use super::interfaces::{self, InUse};
use super::patience::patience;
use super::{counters, loaded_drivers, per_cpu_memory};
use crate::block;
use crate::devices::device_registry::{Device, owned_by};
use crate::devices::{power, release};
use crate::memory::protection;
use crate::threads::owner::{Life, MemoryLeft, Owner};
use crate::threads::{driver_timers, ending};
use core::fmt;
use events::Left;

/// Why a driver ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// It is unloaded: its functions are called.
    Unloaded,
    /// It has refused to start.
    Refused,
    /// It has failed.
    Failed,
    /// It was to end before, and its memory has stayed.
    Stuck,
}

/// How a driver has ended.
#[derive(Clone, Copy, Debug)]
pub struct DriverEnd {
    /// What the kernel took back.
    pub left: Left,
    /// How many threads run its code nevertheless. If there are any, its memory stays.
    pub threads: u32,
    /// How many requests to block devices it has outstanding nevertheless. If there are any, its memory stays.
    pub requests: usize,
    /// An interface of it that another driver uses nevertheless. If there is one, its memory stays.
    pub in_use: Option<InUse>,
}

impl DriverEnd {
    /// Returns true if the driver's memory stays.
    pub fn is_in_memory(&self) -> bool {
        self.threads > 0 || self.requests > 0 || self.in_use.is_some()
    }
}

impl fmt::Display for DriverEnd {
    /// Says why the driver's memory stays; nothing if it does not.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.threads > 0 {
            write!(out, "; its memory stays, threads that still run in it: {}", self.threads)
        } else if self.requests > 0 {
            write!(out, "; its memory stays, requests of it that are outstanding: {}", self.requests)
        } else if let Some(InUse(user)) = self.in_use {
            write!(out, "; its memory stays, {} uses an interface of it", user.name())
        } else {
            Ok(())
        }
    }
}

/// Ends a driver. The caller has begun its stop, and is a thread that may wait. It waits up to some seconds for the threads, and
/// for each function of the driver.
pub fn end_driver(owner: &'static Owner, why: Why) -> DriverEnd {
    let mut left = Left { threads: owner.threads(), ..Left::default() };
    if why == Why::Failed {
        // Its devices may write to the memory of requests, which is the submitters' once the requests have ended.
        left.interrupts = owned_by(owner).map(release::stop).sum::<usize>() as u32;
    }
    block::close_all(owner);
    let in_use = interfaces::withdraw_all(owner).err();
    left.interrupts += owned_by(owner).map(release::take_interrupts).sum::<usize>() as u32;
    if why == Why::Unloaded {
        say_goodbye(owner);
        left.threads = owner.threads();
    }
    for device in owned_by(owner) {
        release::stop(device);
        power::reset(device, owner);
    }
    // Threads that still run cannot count on their timers. Nor can a callback create a thread.
    let timers = driver_timers::take_back(owner);
    let threads = ending::end_all(owner);
    left.timers = (timers + driver_timers::take_back(owner)) as u32;
    // Those that it has submitted itself.
    let requests = if threads == 0 { block::wait_for_requests_of(owner) } else { 0 };
    let end = DriverEnd { left, threads, requests, in_use };
    if end.is_in_memory() {
        owner.set_life(Life::Stuck);
        return end;
    }
    DriverEnd { left: take_back(owner, left), ..end }
}

/// Calls the driver's functions for its end: for each of its devices, and for itself. If one fails, no other is called.
fn say_goodbye(owner: &'static Owner) {
    let functions = loaded_drivers::functions(owner);
    if let Some(remove) = functions.remove_device {
        for device in owned_by(owner).take_while(|_| !owner.has_failed()) {
            run(owner, Call::RemoveDevice(remove, device.id()), Some(device));
        }
    }
    if let Some(exit) = functions.exit.filter(|_| !owner.has_failed()) {
        run(owner, Call::Exit(exit), None);
    }
}

/// Calls a function, and waits for its end, but not for ever.
fn run(owner: &'static Owner, call: Call, device: Option<&Device>) {
    let node = device.and_then(|device| device.node).map(|node| node.node);
    // SAFETY: the function is from the driver's image, which stays until all threads of the driver have ended.
    let Some(thread) = (unsafe { call::begin(owner, call, node) }) else {
        log::warn!(target: "drivers", "{}: there is no memory to call {}", owner.name(), call.name());
        return;
    };
    let patience = patience();
    if thread.has_ended_within(patience.ns()) {
        thread.finish();
    } else {
        log::warn!(target: "drivers", "{}: {} has not returned after {patience}", owner.name(), call.name());
        thread.give_back();
    }
}

/// Takes back what a driver has of which nothing runs any more. Returns what there was, with what is in `left`.
fn take_back(owner: &'static Owner, mut left: Left) -> Left {
    // Before the memory goes in which they are.
    counters::log(owner);
    counters::withdraw_all(owner);
    for taken in owned_by(owner).filter_map(|device| release::release(device, owner)) {
        left.interrupts += taken.interrupts as u32;
        left.mappings += taken.mappings as u32;
        left.dma += taken.dma as u32;
    }
    interfaces::end_all_uses(owner);
    // The functions that ended its requests.
    block::close_all(owner);
    driver_timers::release_slots(owner);
    per_cpu_memory::take_back(owner);
    let MemoryLeft { pages, blocks } = owner.take_back_memory();
    left.pages = u32::try_from(pages).unwrap_or(u32::MAX);
    left.heap = blocks as u32;
    // Before the image is unmapped: then all CPUs flush what they have cached of these pages.
    protection::take_all_frames(owner.protection_key());
    if let Some(image) = loaded_drivers::remove(owner) {
        // SAFETY: the owner counts no thread, its handlers and timers were taken back, and no queue and no interface leads to its functions: no CPU runs
        // the image's code, nor will. Exports keep no pointer of a driver past their return.
        unsafe { image.unload() };
    }
    protection::give_back_key(owner.protection_key());
    owner.set_life(Life::Over);
    left
}
