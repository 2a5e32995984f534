//! The drivers that are loaded, each with its image, and the functions and devices that the image names.
use super::loader::{DriverFunctions, LoadedImage};
use crate::threads::Mutex;
use crate::threads::owner::Owner;
use alloc::vec::Vec;
use device_table::DeviceTable;

struct Loaded {
    owner: &'static Owner,
    image: LoadedImage,
    /// `Driver_Init` has returned 0.
    has_started: bool,
}

static LOADED: Mutex<Vec<Loaded>> = Mutex::new(Vec::new());

fn is(loaded: &Loaded, owner: &'static Owner) -> bool {
    core::ptr::eq(loaded.owner, owner)
}

/// Adds a driver. Gives the image back if there is no memory.
pub fn insert(owner: &'static Owner, image: LoadedImage) -> Result<(), LoadedImage> {
    let mut all = LOADED.lock();
    if all.try_reserve(1).is_err() {
        return Err(image);
    }
    all.push(Loaded { owner, image, has_started: false });
    Ok(())
}

/// Removes a driver, and returns its image.
pub fn remove(owner: &'static Owner) -> Option<LoadedImage> {
    let mut all = LOADED.lock();
    let index = all.iter().position(|loaded| is(loaded, owner))?;
    Some(all.swap_remove(index).image)
}

/// Notes that a driver has started.
pub fn set_started(owner: &'static Owner) {
    if let Some(loaded) = LOADED.lock().iter_mut().find(|loaded| is(loaded, owner)) {
        loaded.has_started = true;
    }
}

/// Returns true if a driver has started.
pub fn has_started(owner: &'static Owner) -> bool {
    LOADED.lock().iter().any(|loaded| is(loaded, owner) && loaded.has_started)
}

/// Returns how many drivers have started and are loaded.
pub fn count_started() -> usize {
    LOADED.lock().iter().filter(|loaded| loaded.has_started).count()
}

/// Returns the driver of this name.
pub fn find(name: &str) -> Option<&'static Owner> {
    LOADED.lock().iter().map(|loaded| loaded.owner).find(|owner| owner.name() == name)
}

/// Returns the driver of this name, if it has started.
pub fn find_started(name: &str) -> Option<&'static Owner> {
    let all = LOADED.lock();
    let is_wanted = |loaded: &&Loaded| loaded.has_started && loaded.owner.name() == name;
    all.iter().find(is_wanted).map(|loaded| loaded.owner)
}

/// Returns the functions that a driver defines.
pub fn functions(owner: &'static Owner) -> DriverFunctions {
    let all = LOADED.lock();
    let loaded = all.iter().find(|loaded| is(loaded, owner));
    loaded.map_or(DriverFunctions::NONE, |loaded| loaded.image.functions())
}

/// Returns the devices that a driver wants, if it has a table of them.
pub fn devices(owner: &'static Owner) -> Option<DeviceTable<'static>> {
    LOADED.lock().iter().find(|loaded| is(loaded, owner))?.image.devices()
}

/// What is known of a driver that is loaded.
pub struct LoadedDriver {
    /// The driver.
    pub owner: &'static Owner,
    /// `Driver_Init` has returned 0.
    pub has_started: bool,
    /// The pages of its image.
    pub image_pages: usize,
}

/// Returns the drivers that are loaded. One that is loaded or unloaded meanwhile may be left out, or another one come twice.
pub fn all() -> impl Iterator<Item = LoadedDriver> {
    let nth = |index: usize| {
        let all = LOADED.lock();
        let Loaded { owner, image, has_started } = all.get(index)?;
        Some(LoadedDriver { owner, has_started: *has_started, image_pages: image.page_count() })
    };
    (0..).map_while(nth)
}
