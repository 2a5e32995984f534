//! Drivers and each other: loading and unloading, interfaces, parameters, and numbers that others see.
use core::ffi::{c_char, c_int, c_void};
use core::mem::{offset_of, size_of};

/// The most bytes of an interface's name, with the zero that ends it.
pub const KERNEL_INTERFACE_NAME_SIZE: usize = 64;
/// The most bytes of a counter's name, with the zero that ends it.
pub const KERNEL_COUNTER_NAME_SIZE: usize = 48;
/// The most bytes of the key of a parameter, with the zero that ends it.
pub const KERNEL_PARAMETER_NAME_SIZE: usize = 64;
/// The most counters that a driver can publish.
pub const KERNEL_MOST_COUNTERS: usize = 256;

/// What a driver has, and its counts. The driver that asks sets `Size`, the kernel sets the rest.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriverStatistics {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// 0.
    pub Reserved: u32,
    /// Pages that were granted to it, and those of its memory for each CPU.
    pub Pages: u64,
    /// Bytes of its heap blocks, as the kernel rounds them up.
    pub HeapBytes: u64,
    /// Bytes of its memory for DMA, in whole pages.
    pub DmaBytes: u64,
    /// Threads that have not exited.
    pub Threads: u64,
    /// Interrupts of its devices that it has allocated.
    pub Interrupts: u64,
    /// Timers.
    pub Timers: u64,
    /// Mappings of device memory.
    pub Mappings: u64,
    /// How often its code has failed since boot, also before it was loaded again.
    pub Faults: u64,
}

unsafe extern "C" {
    /// \[thread\] Loads the driver of this name from the ramdisk, starts it, and gives it its devices. The name is that of its file, without
    /// `.so`.
    ///
    /// Returns 0. Returns -1 if there is no such driver, if it is loaded already, if it cannot be loaded or refuses to start, or if
    /// `Driver_Init` does not return within 10 s: then it goes on starting. The log has the reason. Returns -1 if `name` is
    /// null or not mapped, in a handler, with interrupts off, and in the functions of a block device.
    pub fn Kernel_LoadDriver(name: *const c_char) -> c_int;

    /// \[thread\] Unloads a driver: ends it in the order that docs/driver-abi.md has, takes back all that it has, and unmaps it. The log and
    /// the event `driver` have what was left.
    ///
    /// Returns 0. Returns -1, and changes nothing, if no driver of this name has started, if it is the caller, if another thread stops it
    /// already, or if another driver uses an interface of it. Returns -1 if threads of it do not end: then its memory stays, and
    /// another call tries again. The log has the reason. Returns -1 if `name` is null or not mapped, in a handler, with interrupts off, and in the functions
    /// of a block device.
    pub fn Kernel_UnloadDriver(name: *const c_char) -> c_int;

    /// \[any\] Returns true if the calling driver is being stopped: its threads should end.
    pub fn Kernel_IsStopping() -> bool;

    /// \[thread\] Publishes a table of `size` bytes under a name and a version, for other drivers. The kernel keeps the address and does not
    /// read the table, which stays until the driver has ended.
    ///
    /// Returns true. Returns false, and changes nothing, if the name is empty or has `KERNEL_INTERFACE_NAME_SIZE` bytes or more, if it
    /// is null or not mapped, if `table` is null or not mapped, if `size` is 0, if there is an interface of this name and
    /// version, if there is no memory, if the driver is being stopped, in a handler, with interrupts off, and in the functions of a
    /// block device.
    pub fn Kernel_PublishInterface(
        name: *const c_char,
        version: u32,
        table: *const c_void,
        size: usize,
    ) -> bool;

    /// \[thread\] Returns the table that another driver has published under this name and version, if it has `size` bytes or more. Until
    /// `Kernel_ReleaseInterface`, called as often as this, its publisher cannot be unloaded. The kernel ends the uses of a driver that has
    /// ended.
    ///
    /// Returns null if there is no such interface, if there is no memory, if the driver is being stopped, if `name` is
    /// null or not mapped, in a handler, with interrupts off, and in the functions of a block device.
    pub fn Kernel_UseInterface(name: *const c_char, version: u32, size: usize) -> *const c_void;

    /// \[thread\] Ends one use of an interface. A table that the driver does not use is ignored, and so is a call in a handler, with
    /// interrupts off, or in the functions of a block device.
    pub fn Kernel_ReleaseInterface(table: *const c_void);

    /// \[thread\] Copies the value of a parameter of the calling driver: the word `driver.NAME.key=value` of the kernel's parameters, where
    /// NAME is the driver's name and `name` is the key. Of two such words, the later one applies. A word without `=` has the empty value.
    ///
    /// Returns the value's length in bytes. `value` gets at most `size` bytes: the value, cut if it is longer than `size` - 1, and a zero. If
    /// `size` is 0, `value` is not used. Returns -1, and writes nothing, if the parameter is not given, if `name` is null, not
    /// mapped, not UTF-8, or has `KERNEL_PARAMETER_NAME_SIZE` bytes or more, if `value` cannot be written, in a handler, with interrupts off, and in the functions of a block device.
    pub fn Kernel_GetParameter(name: *const c_char, value: *mut c_char, size: usize) -> c_int;

    /// \[thread\] Publishes a counter: a number that the driver changes, and that the kernel shows with the driver's statistics. The kernel
    /// reads it at any time until the driver has ended. If the memory is unmapped meanwhile, the counter has no value. If `counter` is null,
    /// the driver's counter of this name is withdrawn: the kernel does not read its memory any more.
    ///
    /// Returns true. Returns false, and changes nothing, if the name is empty, has `KERNEL_COUNTER_NAME_SIZE` bytes or more, or bytes other than
    /// ASCII letters, digits, `.`, `-` and `_`, if it is null or not mapped, if `counter` is misaligned or not mapped, if the driver has a counter of this name or
    /// `KERNEL_MOST_COUNTERS`, if it has none of this name to withdraw, if there is no memory, if the driver is being stopped and `counter` is not
    /// null, in a handler, with interrupts off, and in the functions of a block device.
    pub fn Kernel_PublishCounter(name: *const c_char, counter: *const u64) -> bool;

    /// \[thread\] Tells what the driver of this name has, or the calling driver if `name` is null. While the driver works, each number is
    /// that of another moment.
    ///
    /// Returns true, and fills `statistics`. Returns false, and writes nothing, if no driver of this name is loaded, if it is about to be
    /// unloaded, if `name` is not mapped, if `statistics` cannot be written or its `Size` is wrong, in a handler, with interrupts off, and
    /// in the functions of a block device.
    pub fn Kernel_GetDriverStatistics(name: *const c_char, statistics: *mut DriverStatistics) -> bool;

    /// \[any\] Returns the kernel's version: the major number in the upper 16 bits, the minor one in the lower.
    pub fn Kernel_GetVersion() -> u32;
}

const _: () = {
    assert!(size_of::<DriverStatistics>() == 72);
    assert!(offset_of!(DriverStatistics, Pages) == 8);
    assert!(offset_of!(DriverStatistics, HeapBytes) == 16);
    assert!(offset_of!(DriverStatistics, DmaBytes) == 24);
    assert!(offset_of!(DriverStatistics, Threads) == 32);
    assert!(offset_of!(DriverStatistics, Interrupts) == 40);
    assert!(offset_of!(DriverStatistics, Timers) == 48);
    assert!(offset_of!(DriverStatistics, Mappings) == 56);
    assert!(offset_of!(DriverStatistics, Faults) == 64);
};
