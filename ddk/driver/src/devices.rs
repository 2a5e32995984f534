//! The devices of a driver: each gets a state when it is added, which is dropped when it is removed.
use crate::device::{Device, DeviceMatch};
use crate::driver::{DeviceDriver, Outcome};
use crate::memory::current_node;
use crate::scope::Scope;
use crate::sync::Mutex;
use core::cell::Cell;
use core::ffi::c_int;
use core::ptr::NonNull;

/// The devices of a driver, for [`crate::driver!`].
pub struct Devices<D: DeviceDriver>(Mutex<Option<NonNull<Entry<D>>>>);

// SAFETY: an entry is in the list, or belongs to the thread that has taken it out of it. A state is `Send`.
unsafe impl<D: DeviceDriver> Sync for Devices<D> {}

/// A device that is added, or about to be.
struct Entry<D: DeviceDriver> {
    scope: Scope,
    /// Locked while the device is added. The lifetime stands for that of the scope, which is longer than that of the state.
    state: Mutex<Option<D::State<'static>>>,
    /// For whoever has locked the list.
    next: Cell<Option<NonNull<Entry<D>>>>,
}

impl<D: DeviceDriver> Devices<D> {
    /// Returns no devices.
    #[must_use]
    #[allow(clippy::new_without_default)] // A static of the driver's is the only one.
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Adds a device: in the kernel's call of `Driver_AddDevice`. Returns what that returns.
    ///
    /// # Safety
    /// The kernel has called `Driver_AddDevice` with this device. These are the only devices of the driver.
    pub unsafe fn add(&self, device: c_int) -> c_int {
        let bytes = size_of::<Entry<D>>();
        // SAFETY: the function takes any numbers.
        let memory =
            unsafe { abi::Kernel_AllocateMemoryFromNode(bytes, align_of::<Entry<D>>(), current_node()) };
        let Some(entry) = NonNull::new(memory.cast::<Entry<D>>()) else {
            crate::error!("there is no memory for a device");
            return -1;
        };
        let new = Entry { scope: Scope::new(device), state: Mutex::new(None), next: Cell::new(None) };
        // SAFETY: the memory has room for an entry. It stays until `free`, which this thread alone calls, or `remove` after it has got the
        // state's lock.
        let entry_ref = unsafe {
            entry.write(new);
            entry.as_ref()
        };
        let mut state = entry_ref.state.lock();
        self.insert(entry);
        match D::add(Device::new(&entry_ref.scope)) {
            Ok(added) => {
                *state = Some(added);
                0
            }
            Err(refusal) => {
                entry_ref.scope.close();
                drop(state);
                // Otherwise `remove` has taken it, and frees it.
                if self.take(device).is_some() {
                    // SAFETY: the scope is closed, and there is no state. The list does not lead to the entry any more.
                    unsafe { free(entry) };
                }
                Outcome::code(Err(refusal)).saturating_abs().saturating_neg()
            }
        }
    }

    /// Removes a device, if it was added: in the kernel's call of `Driver_RemoveDevice`. On return nothing of the driver uses it.
    ///
    /// # Safety
    /// The kernel has called `Driver_RemoveDevice` with this device. These are the only devices of the driver.
    pub unsafe fn remove(&self, device: c_int) {
        let Some(entry) = self.take(device) else { return };
        // SAFETY: it stays until `free` below: whoever takes it out of the list frees it.
        let entry_ref = unsafe { entry.as_ref() };
        // Waits if it is still being added.
        let mut state = entry_ref.state.lock();
        if let Some(state) = &*state {
            D::remove(state);
        }
        entry_ref.scope.close();
        *state = None;
        drop(state);
        // SAFETY: the scope is closed, and the state, which may have referred to its memory, is dropped. The list does not lead to the entry.
        unsafe { free(entry) };
    }

    fn insert(&self, entry: NonNull<Entry<D>>) {
        let mut first = self.0.lock();
        // SAFETY: the caller has written the entry, and does not free it meanwhile.
        unsafe { entry.as_ref() }.next.set(*first);
        *first = Some(entry);
    }

    /// Takes a device out of the list.
    fn take(&self, device: c_int) -> Option<NonNull<Entry<D>>> {
        let mut first = self.0.lock();
        let mut link = Cell::from_mut(&mut *first);
        while let Some(entry) = link.get() {
            // SAFETY: the list is locked, and leads to entries that are not freed.
            let found = unsafe { entry.as_ref() };
            if found.scope.device() == device {
                link.set(found.next.get());
                return Some(entry);
            }
            link = &found.next;
        }
        None
    }
}

/// Returns a driver's table of devices with its end.
#[must_use]
pub const fn table<const N: usize>(devices: &[DeviceMatch]) -> [DeviceMatch; N] {
    let mut table = [DeviceMatch::END; N];
    let mut index = 0;
    while index < devices.len() {
        table[index] = devices[index];
        index += 1;
    }
    table
}

/// Frees an entry, and the memory of its scope.
///
/// # Safety
/// The scope is closed, and nothing refers to the entry or to the scope's memory.
unsafe fn free<D: DeviceDriver>(entry: NonNull<Entry<D>>) {
    // SAFETY: `# Safety`. The kernel has granted the memory of the entry.
    unsafe {
        entry.as_ref().scope.free();
        entry.drop_in_place();
        abi::Kernel_FreeMemory(entry.as_ptr().cast());
    }
}
