//! What each export does first: lets others run, and refuses a call where the function must not be called.
use crate::contexts::Role;
use crate::devices::NotOwned;
use crate::finding::Kind;
use crate::schedule::{Pace, point};
use crate::world::{World, with};

/// Enters a function for any context.
pub fn any() {
    point(Pace::Works);
}

/// Enters a function for threads, which waits for nobody. Returns false in a handler and with interrupts off.
pub fn thread(name: &str) -> bool {
    point(Pace::Works);
    with(|world| is_allowed(world, name, false))
}

/// Enters a function that may wait. Returns false in a handler, with interrupts off, and in functions of block devices.
pub fn may_wait(name: &str) -> bool {
    point(Pace::Works);
    with(|world| is_allowed(world, name, true))
}

/// Returns true if a function for threads may be called here. Otherwise there is a finding.
pub fn is_allowed(world: &mut World, name: &str, may_wait: bool) -> bool {
    let here = world.contexts.here();
    let place = if here.role == Role::Handler {
        "in a handler"
    } else if here.interrupts_off {
        "with interrupts off"
    } else if may_wait && here.block_depth > 0 {
        "in a function of a block device"
    } else {
        return true;
    };
    let who = here.name.clone();
    world.found(Kind::CallInHandler, format!("{name} was called {place}, by {who:?}"));
    false
}

/// Returns true in a handler, in a function of a block device, and with interrupts off.
pub fn is_atomic(world: &World) -> bool {
    let here = world.contexts.here();
    here.role == Role::Handler || here.interrupts_off || here.block_depth > 0
}

/// Returns the index of a device that the caller owns. Otherwise there is a finding.
pub fn owned(world: &mut World, name: &str, device: i32) -> Option<usize> {
    match world.devices.find_owned(device, world.caller()) {
        Ok(index) => Some(index),
        Err(NotOwned::Stale) => {
            world.found(Kind::StaleId, format!("{name} was called for {device:#x}, which is no device"));
            None
        }
        Err(NotOwned::Foreign) => {
            let text = format!("{name} was called for device {device:#x}, which the caller does not own");
            world.found(Kind::ForeignId, text);
            None
        }
    }
}
