//! Interfaces, loading and unloading, and the log.
use crate::addresses::unmapped;
use crate::worker::{Worker, check};
use core::sync::atomic::{AtomicBool, Ordering};
use driver_kit::abi;

static TABLE: u64 = 0;
const NAME: &core::ffi::CStr = c"fuzz_exports";

/// One thread at a time loads and unloads the driver `nothing`.
static IS_LOADING: AtomicBool = AtomicBool::new(false);

/// Publishes the driver's own interface, which it cannot publish again.
pub fn publish_own() {
    // SAFETY: the name is a constant, and the table a static.
    let _ = unsafe {
        abi::Kernel_PublishInterface(NAME.as_ptr(), 1, (&raw const TABLE).cast(), size_of_val(&TABLE))
    };
}

pub fn step(worker: &mut Worker) {
    match worker.random.below(200) {
        0 => refused_loads(worker),
        1 => load_and_unload(worker),
        _ => interfaces(worker),
    }
}

fn interfaces(worker: &mut Worker) {
    let bad_name = unmapped(&mut worker.random);
    let (name, version, size) = worker.hostages.interface();
    let own = (&raw const TABLE).cast();
    worker.count(9);
    // SAFETY: names are constants, tables are static, and the functions follow no pointer that they refuse.
    unsafe {
        let table = abi::Kernel_UseInterface(name, version, size);
        if !table.is_null() {
            check!(worker, table == core::ptr::from_ref(worker.hostages).cast());
            abi::Kernel_ReleaseInterface(table);
        }
        check!(worker, abi::Kernel_UseInterface(name, version + 1, size).is_null());
        check!(worker, abi::Kernel_UseInterface(name, version, size + 1).is_null());
        check!(worker, abi::Kernel_UseInterface(bad_name, version, size).is_null());
        check!(worker, !abi::Kernel_PublishInterface(name, version, own, 8));
        check!(worker, !abi::Kernel_PublishInterface(NAME.as_ptr(), 1, own, 8));
        check!(worker, !abi::Kernel_PublishInterface(bad_name, 1, own, 8));
        check!(worker, !abi::Kernel_PublishInterface(c"fuzz other".as_ptr(), 1, core::ptr::null(), 8));
        check!(worker, !abi::Kernel_PublishInterface(c"fuzz other".as_ptr(), 1, own, 0));
        abi::Kernel_ReleaseInterface(own);
        abi::Kernel_Log(abi::KERNEL_LOG_ERROR, unmapped(&mut worker.random), 10);
        check!(worker, !abi::Kernel_IsStopping());
    }
}

fn refused_loads(worker: &mut Worker) {
    let bad_name = unmapped(&mut worker.random);
    worker.count(6);
    // SAFETY: names are constants, or refused.
    unsafe {
        check!(worker, abi::Kernel_LoadDriver(bad_name) == -1);
        check!(worker, abi::Kernel_LoadDriver(c"hostages".as_ptr()) == -1);
        check!(worker, abi::Kernel_LoadDriver(NAME.as_ptr()) == -1);
        check!(worker, abi::Kernel_UnloadDriver(bad_name) == -1);
        check!(worker, abi::Kernel_UnloadDriver(NAME.as_ptr()) == -1);
        // This driver uses its interface.
        check!(worker, abi::Kernel_UnloadDriver(c"hostages".as_ptr()) == -1);
    }
}

fn load_and_unload(worker: &mut Worker) {
    if IS_LOADING.swap(true, Ordering::Acquire) {
        return;
    }
    worker.count(2);
    // SAFETY: the name is a constant.
    unsafe {
        let unloaded = abi::Kernel_UnloadDriver(c"nothing".as_ptr());
        let loaded = abi::Kernel_LoadDriver(c"nothing".as_ptr());
        // Without memory, it is not loaded, and is not there to be unloaded the next time.
        check!(worker, unloaded == 0 || unloaded == -1);
        check!(worker, loaded == 0 || loaded == -1);
    }
    IS_LOADING.store(false, Ordering::Release);
}
