//! The exports with which drivers load, unload and find each other.
use super::caller;
use super::pointer::DriverPointer;
use super::thread_only;
use crate::drivers::interfaces::{self, InterfaceName, PublishedTable};
use crate::drivers::{self, LoadByNameError, UnloadError};
use abi::KERNEL_INTERFACE_NAME_SIZE;
use arrayvec::ArrayString;
use core::ffi::{c_char, c_int, c_void};

/// The most bytes of a driver's name, with the zero that ends it.
const DRIVER_NAME_SIZE: usize = 128;

type DriverName = ArrayString<DRIVER_NAME_SIZE>;

/// Returns the text that a driver passed.
///
/// # Safety
/// The condition of all exports (see the folder's `mod.rs`).
unsafe fn text<const N: usize>(text: *const c_char) -> Option<ArrayString<N>> {
    // SAFETY: `# Safety` is the same.
    let text = unsafe { DriverPointer::new(text.cast::<u8>()) }.text()?;
    // Text that was cut has no zero behind it.
    (!text.is_full()).then_some(text)
}

pub unsafe extern "C" fn load_driver(name: *const c_char) -> c_int {
    if !thread_only::may_wait("Kernel_LoadDriver") {
        return -1;
    }
    // SAFETY: the condition of all exports.
    let Some(name) = (unsafe { text::<DRIVER_NAME_SIZE>(name) }) else { return -1 };
    match drivers::load(&name) {
        Ok(()) => 0,
        Err(error) => not_loaded(&name, &error),
    }
}

fn not_loaded(name: &DriverName, error: &LoadByNameError) -> c_int {
    // The other reasons are in the log already.
    if matches!(error, LoadByNameError::NoSuchDriver | LoadByNameError::Loaded) {
        log::info!(target: "drivers", "{name} is not loaded: {error}");
    }
    -1
}

pub unsafe extern "C" fn unload_driver(name: *const c_char) -> c_int {
    if !thread_only::may_wait("Kernel_UnloadDriver") {
        return -1;
    }
    // SAFETY: the condition of all exports.
    let Some(name) = (unsafe { text::<DRIVER_NAME_SIZE>(name) }) else { return -1 };
    match drivers::unload(&name) {
        Ok(()) => 0,
        Err(error) => not_unloaded(&name, &error),
    }
}

fn not_unloaded(name: &DriverName, error: &UnloadError) -> c_int {
    log::warn!(target: "drivers", "{name} is not unloaded: {error}");
    -1
}

pub extern "C" fn is_stopping() -> bool {
    caller::driver().is_some_and(|driver| driver.is_stopping())
}

pub unsafe extern "C" fn publish_interface(
    name: *const c_char,
    version: u32,
    table: *const c_void,
    size: usize,
) -> bool {
    if !thread_only::may_wait("Kernel_PublishInterface") {
        return false;
    }
    let publish = || {
        // SAFETY: the condition of all exports.
        let name: InterfaceName = unsafe { text::<KERNEL_INTERFACE_NAME_SIZE>(name) }?;
        // SAFETY: the condition of all exports.
        let is_mapped = unsafe { DriverPointer::new(table.cast::<u8>()) }.check_array(size).is_some();
        let publisher = caller::driver()?;
        let is_valid = !name.is_empty() && !table.is_null() && size > 0 && is_mapped;
        let table = PublishedTable(table.expose_provenance() as u64);
        (is_valid && interfaces::publish(publisher, name, version, table, size)).then_some(())
    };
    publish().is_some()
}

pub unsafe extern "C" fn use_interface(name: *const c_char, version: u32, size: usize) -> *const c_void {
    if !thread_only::may_wait("Kernel_UseInterface") {
        return core::ptr::null();
    }
    let begin_use = || {
        // SAFETY: the condition of all exports.
        let name: InterfaceName = unsafe { text::<KERNEL_INTERFACE_NAME_SIZE>(name) }?;
        let PublishedTable(table) = interfaces::begin_use(caller::driver()?, &name, version, size)?;
        Some(core::ptr::with_exposed_provenance(table as usize))
    };
    begin_use().unwrap_or(core::ptr::null())
}

pub extern "C" fn release_interface(table: *const c_void) {
    if !thread_only::may_wait("Kernel_ReleaseInterface") {
        return;
    }
    if let Some(user) = caller::driver() {
        interfaces::end_use(user, PublishedTable(table.addr() as u64));
    }
}

pub extern "C" fn get_version() -> u32 {
    const VERSION: u32 =
        number(env!("CARGO_PKG_VERSION_MAJOR")) << 16 | number(env!("CARGO_PKG_VERSION_MINOR"));
    VERSION
}

/// Returns the number that these digits write.
const fn number(digits: &str) -> u32 {
    let (digits, mut number, mut next) = (digits.as_bytes(), 0, 0);
    while next < digits.len() {
        number = number * 10 + (digits[next] - b'0') as u32;
        next += 1;
    }
    assert!(number <= 0xffff, "half of a version has 16 bits");
    number
}
