//! Drivers and each other: loading and unloading, and interfaces.
use core::ffi::{c_char, c_int, c_void};

/// The most bytes of an interface's name, with the zero that ends it.
pub const KERNEL_INTERFACE_NAME_SIZE: usize = 64;

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

    /// \[any\] Returns the kernel's version: the major number in the upper 16 bits, the minor one in the lower.
    pub fn Kernel_GetVersion() -> u32;
}
