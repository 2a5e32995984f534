//! Drivers and each other, and what a host needs besides: the switch of interrupts, which is an instruction in the kernel.
use crate::arguments::read_name;
use crate::contexts::Owner;
use crate::enter;
use crate::regions::is_readable;
use crate::schedule::{Pace, point};
use crate::world::{Interface, with};
use abi::KERNEL_INTERFACE_NAME_SIZE;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, with_exposed_provenance};

/// The flag of interrupts in RFLAGS (Intel SDM vol. 1 §3.4.3).
const INTERRUPTS_ON: u64 = 1 << 9;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_LoadDriver(name: *const c_char) -> c_int {
    // The ramdisk of this machine is empty.
    enter::may_wait("Kernel_LoadDriver");
    let _ = name;
    -1
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_UnloadDriver(name: *const c_char) -> c_int {
    enter::may_wait("Kernel_UnloadDriver");
    let _ = name;
    -1
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_IsStopping() -> bool {
    enter::any();
    with(|world| world.driver.is_stopping && world.caller() == Owner::Driver)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_PublishInterface(
    name: *const c_char,
    version: u32,
    table: *const c_void,
    size: usize,
) -> bool {
    if !enter::may_wait("Kernel_PublishInterface") {
        return false;
    }
    let Some(name) = read_name(name, KERNEL_INTERFACE_NAME_SIZE) else { return false };
    let is_named = !name.is_empty() && name.len() < KERNEL_INTERFACE_NAME_SIZE;
    let is_there = size != 0 && !table.is_null() && is_readable(table.expose_provenance(), size);
    with(|world| {
        let is_taken = world.interfaces.iter().any(|other| (&other.name, other.version) == (&name, version));
        let owner = world.caller();
        let is_stopping = world.driver.is_stopping && owner == Owner::Driver;
        if !is_named || !is_there || is_taken || is_stopping || !world.may_allocate() {
            return false;
        }
        let table = table.addr();
        world.interfaces.push(Interface { name, version, table, bytes: size, owner, users: Vec::new() });
        true
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_UseInterface(
    name: *const c_char,
    version: u32,
    size: usize,
) -> *const c_void {
    if !enter::may_wait("Kernel_UseInterface") {
        return null();
    }
    let Some(name) = read_name(name, KERNEL_INTERFACE_NAME_SIZE) else { return null() };
    with(|world| {
        let caller = world.caller();
        let is_stopping = world.driver.is_stopping && caller == Owner::Driver;
        if is_stopping || !world.may_allocate() {
            return null();
        }
        let is_it =
            |other: &&mut Interface| (&other.name, other.version) == (&name, version) && other.bytes >= size;
        let Some(interface) = world.interfaces.iter_mut().find(is_it) else { return null() };
        interface.users.push(caller);
        with_exposed_provenance(interface.table)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_ReleaseInterface(table: *const c_void) {
    if !enter::may_wait("Kernel_ReleaseInterface") {
        return;
    }
    with(|world| {
        let caller = world.caller();
        for interface in world.interfaces.iter_mut().filter(|interface| interface.table == table.addr()) {
            if let Some(user) = interface.users.iter().position(|user| *user == caller) {
                interface.users.swap_remove(user);
                return;
            }
        }
    });
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetVersion() -> u32 {
    // The kernel and this crate have the workspace's version.
    let part = |part: &str| part.parse::<u32>().expect("a version has numbers");
    part(env!("CARGO_PKG_VERSION_MAJOR")) << 16 | part(env!("CARGO_PKG_VERSION_MINOR"))
}

/// Switches interrupts off on the running CPU. Returns the flags from before, as `pushfq` does. For spin locks on a host.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn ProximaHost_InterruptsOff() -> u64 {
    point(Pace::Works);
    let before = with(|world| std::mem::replace(&mut world.contexts.here_mut().interrupts_off, true));
    if before { 0 } else { INTERRUPTS_ON }
}

/// Switches interrupts on if they were on in these flags. What has waited for that comes now.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn ProximaHost_RestoreInterrupts(flags: u64) {
    if flags & INTERRUPTS_ON != 0 {
        with(|world| world.contexts.here_mut().interrupts_off = false);
        point(Pace::Works);
    }
}

/// Lets other CPUs run while this one waits for a spin lock.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn ProximaHost_Spin() {
    point(Pace::Yields);
}
