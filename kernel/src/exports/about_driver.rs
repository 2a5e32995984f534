//! The exports with which a driver reads its parameters, shows its counters, and learns what it or another driver has.
use super::caller;
use super::pointer::{Access, DriverPointer};
use crate::drivers::counters::{self, CounterAddress, CounterName};
use crate::drivers::statistics::{self, Holdings};
use crate::platform::command_line;
use abi::{DriverStatistics, KERNEL_PARAMETER_NAME_SIZE};
use core::ffi::{c_char, c_int};

/// The most bytes of a driver's name, with the zero that ends it.
const LONGEST_DRIVER_NAME: usize = 128;

pub unsafe extern "C" fn get_parameter(name: *const c_char, value: *mut c_char, size: usize) -> c_int {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`), for both pointers.
    let (name, to) =
        unsafe { (DriverPointer::new(name.cast::<u8>()), DriverPointer::new(value.cast::<u8>())) };
    let get = || {
        let driver = caller::driver_of_thread("Kernel_GetParameter")?;
        let key = name.whole_text::<KERNEL_PARAMETER_NAME_SIZE>()?;
        let value = command_line::of_driver(driver.name(), &key)?.as_bytes();
        if size > 0 {
            let length = value.len().min(size - 1);
            to.write_array(length + 1, |index| if index < length { value[index] } else { 0 })?;
        }
        c_int::try_from(value.len()).ok()
    };
    get().unwrap_or(-1)
}

pub unsafe extern "C" fn publish_counter(name: *const c_char, counter: *const u64) -> bool {
    // SAFETY: the condition of all exports, except that the driver changes the counter at any time.
    let (name, place) = unsafe { (DriverPointer::new(name.cast::<u8>()), DriverPointer::new(counter)) };
    let publish = || {
        let driver = caller::driver_of_thread("Kernel_PublishCounter")?;
        let name: CounterName = name.whole_text()?;
        if counter.is_null() {
            return counters::withdraw(driver, &name).then_some(());
        }
        place.check_array(1)?;
        let address = CounterAddress(counter.addr());
        (is_counter_name(&name) && counters::publish(driver, name, address)).then_some(())
    };
    publish().is_some()
}

fn is_counter_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && name.bytes().all(is_allowed)
}

pub unsafe extern "C" fn get_driver_statistics(
    name: *const c_char,
    statistics: *mut DriverStatistics,
) -> bool {
    // SAFETY: the condition of all exports, for both pointers.
    let (named, to) = unsafe { (DriverPointer::new(name.cast::<u8>()), DriverPointer::new(statistics)) };
    let fill = || {
        let caller = caller::driver_of_thread("Kernel_GetDriverStatistics")?;
        let size = to.check_sized(Access::Write)?;
        let holdings = if name.is_null() {
            statistics::of(caller)?
        } else {
            statistics::of_name(&named.whole_text::<LONGEST_DRIVER_NAME>()?)?
        };
        to.write(driver_statistics(holdings, size))
    };
    fill().is_some()
}

/// Returns what a driver has as the ABI describes it, in a structure of `size` bytes.
fn driver_statistics(holdings: Holdings, size: u32) -> DriverStatistics {
    let Holdings { pages, heap_bytes, dma_bytes, threads, interrupts, timers, mappings, faults } = holdings;
    DriverStatistics {
        Size: size,
        Reserved: 0,
        Pages: pages,
        HeapBytes: heap_bytes,
        DmaBytes: dma_bytes,
        Threads: threads,
        Interrupts: interrupts,
        Timers: timers,
        Mappings: mappings,
        Faults: faults,
    }
}
