//! Devices: finding and claiming them, their configuration space, and their memory.
use core::ffi::{c_char, c_int, c_void};
use core::mem::{offset_of, size_of};

/// The type of `Driver_AddDevice`, for the kernel.
pub type DriverAddDevice = unsafe extern "C" fn(device: c_int) -> c_int;

/// The function [`Driver_RemoveDevice`] of a driver.
pub type DriverRemoveDevice = unsafe extern "C" fn(device: c_int);

/// Any vendor, device, subsystem vendor or subsystem device, in a `DeviceMatch`.
pub const DEVICE_ANY: u16 = 0xffff;

/// `Kernel_EnableDevice`: the device answers in its memory BARs.
pub const DEVICE_MEMORY: u32 = 1;
/// `Kernel_EnableDevice`: the device answers in its I/O BARs.
pub const DEVICE_IO: u32 = 2;
/// `Kernel_EnableDevice`: the device may access memory and send messages.
pub const DEVICE_BUS_MASTER: u32 = 4;

/// `Kernel_MapDeviceMemory`: the CPU caches nothing.
pub const DEVICE_UNCACHED: u32 = 0;
/// `Kernel_MapDeviceMemory`: the CPU may combine writes, and caches nothing.
pub const DEVICE_WRITE_COMBINED: u32 = 1;

/// `DeviceInfo.NodeSource`: the node is unknown.
pub const DEVICE_NODE_NONE: u32 = 0;
/// `DeviceInfo.NodeSource`: the `_PXM` object of the device itself.
pub const DEVICE_NODE_PXM: u32 = 1;
/// `DeviceInfo.NodeSource`: an SRAT structure of type 5.
pub const DEVICE_NODE_SRAT: u32 = 2;
/// `DeviceInfo.NodeSource`: a bridge above the device.
pub const DEVICE_NODE_INHERITED: u32 = 3;

/// `DeviceBar.Flags`: the BAR exists.
pub const DEVICE_BAR_PRESENT: u32 = 1;
/// `DeviceBar.Flags`: the BAR is in the space of I/O ports. Otherwise it is in memory.
pub const DEVICE_BAR_IO: u32 = 2;
/// `DeviceBar.Flags`: the memory is prefetchable.
pub const DEVICE_BAR_PREFETCHABLE: u32 = 4;
/// `DeviceBar.Flags`: the BAR has 64 bits. The next BAR is its upper half, and is not present.
pub const DEVICE_BAR_64: u32 = 8;

/// `Kernel_FindDeviceCapability`: added to the id of an extended capability.
pub const DEVICE_CAPABILITY_EXTENDED: u32 = 0x1_0000;

/// Which devices a driver wants. The driver sets `Size`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMatch {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// Must be zero.
    pub Flags: u32,
    /// The vendor's id, or `DEVICE_ANY`.
    pub Vendor: u16,
    /// The device's id, or `DEVICE_ANY`.
    pub Device: u16,
    /// The subsystem vendor's id, or `DEVICE_ANY`.
    pub SubVendor: u16,
    /// The subsystem's id, or `DEVICE_ANY`.
    pub SubDevice: u16,
    /// class << 16 | subclass << 8 | interface, in the bits that `ClassMask` has.
    pub Class: u32,
    /// The bits of the class that must be those of `Class`; 0 means any class.
    pub ClassMask: u32,
}

impl DeviceMatch {
    /// The end of a driver's table `Driver_Devices`.
    pub const END: Self = Self { Size: 0, ..Self::any() };

    /// Returns a match for any device.
    #[must_use]
    pub const fn any() -> Self {
        Self {
            Size: size_of::<Self>() as u32,
            Flags: 0,
            Vendor: DEVICE_ANY,
            Device: DEVICE_ANY,
            SubVendor: DEVICE_ANY,
            SubDevice: DEVICE_ANY,
            Class: 0,
            ClassMask: 0,
        }
    }

    /// Returns a match for the devices of a vendor with this id.
    #[must_use]
    pub const fn ids(vendor: u16, device: u16) -> Self {
        Self { Vendor: vendor, Device: device, ..Self::any() }
    }

    /// Returns a match for all devices of a class: base class << 16 | subclass << 8 | interface.
    #[must_use]
    pub const fn class(class: u32) -> Self {
        Self { Class: class, ClassMask: 0xff_ffff, ..Self::any() }
    }
}

/// One base address register of a device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceBar {
    /// The first address, or the first port; 0 if the BAR has no address.
    pub Address: u64,
    /// Bytes.
    pub Size: u64,
    /// The `DEVICE_BAR_` bits; 0 if there is no such BAR.
    pub Flags: u32,
    /// Zero.
    pub Reserved: u32,
}

/// One device: a function of PCI. The driver sets `Size`, the kernel sets the rest.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// The segment of PCI.
    pub Segment: u32,
    /// The bus.
    pub Bus: u8,
    /// The slot on the bus.
    pub Slot: u8,
    /// The function in the slot.
    pub Function: u8,
    /// The device's revision.
    pub Revision: u8,
    /// The vendor's id.
    pub VendorId: u16,
    /// The device's id.
    pub DeviceId: u16,
    /// The subsystem vendor's id.
    pub SubVendorId: u16,
    /// The subsystem's id.
    pub SubDeviceId: u16,
    /// class << 16 | subclass << 8 | interface.
    pub Class: u32,
    /// The device's node; -1 if it is unknown.
    pub Node: i32,
    /// Where the node comes from: one of the `DEVICE_NODE_` numbers.
    pub NodeSource: u32,
    /// The vectors of MSI-X; 0 if the device has no MSI-X.
    pub MsixVectors: u16,
    /// The vectors of MSI; 0 if the device has no MSI.
    pub MsiVectors: u16,
    /// The pin of INTx, 1 to 4; 0 if the device has none.
    pub IntxPin: u32,
    /// The base address registers.
    pub Bars: [DeviceBar; 6],
    /// The name of the driver that owns the device, with a zero byte at its end; empty if none does.
    pub Owner: [c_char; 32],
}

unsafe extern "C" {
    /// Starts a device that matches the driver's `Driver_Devices`. A driver with that table defines this function. The kernel
    /// calls it after `Driver_Init` has returned 0, once for each match that no driver owns. The driver owns the device already. The
    /// function runs on a thread of its own, on the device's node if that is known. The thread ends when the function returns.
    ///
    /// Returns 0 or more if the driver handles the device. A negative number gives the device back, which the kernel resets if it has a
    /// function-level reset.
    pub fn Driver_AddDevice(device: c_int) -> c_int;

    /// Ends the use of a device: nothing answers at its address any more, or the driver is unloaded. A driver may define this function.
    /// The kernel calls it on a thread of its own, on the device's node if that is known, when `Driver_AddDevice` has returned. By then the
    /// kernel has taken the device's interrupts back and unregistered the block devices that it serves. The driver still owns the device,
    /// its mappings and its DMA memory. When the function returns, the kernel takes these back: nothing of the driver uses them any more. A driver
    /// without this function keeps those of a device that is gone. The id of such a device then finds nothing.
    pub fn Driver_RemoveDevice(device: c_int);

    /// Finds the next device that matches, in the order of addresses. `after` is the id of the device before; 0 means from
    /// the first.
    ///
    /// Returns the device's id, which is above 0. Returns -1 if no further device matches, if `match` is null, misaligned or
    /// not mapped, if its `Size` is too small or its tail not zero, if `Flags` is not zero, if `after` is no id of a device, or in a
    /// handler.
    pub fn Kernel_FindDevice(r#match: *const DeviceMatch, after: c_int) -> c_int;

    /// Describes a device, whoever owns it. Handlers may call this function.
    ///
    /// Returns true, and fills `info`. Returns false, and writes nothing, if there is no such device, if `info` is null,
    /// misaligned or not mapped, if its `Size` is too small, or if its tail is not zero.
    pub fn Kernel_GetDeviceInfo(device: c_int, info: *mut DeviceInfo) -> bool;

    /// Makes the calling driver the owner of a device.
    ///
    /// Returns true, also if the driver owns it already. Returns false if there is no such device; if another driver
    /// owns it, or the kernel, as it does bridges; or in a handler.
    pub fn Kernel_ClaimDevice(device: c_int) -> bool;

    /// Gives a device back: turns its bus mastering off, and removes its interrupts, its mappings and its DMA memory. It does not
    /// reset the device. Nothing happens if the driver does not own the device, or in a handler.
    pub fn Kernel_ReleaseDevice(device: c_int);

    /// Sets what a device may do: the sum of `DEVICE_MEMORY`, `DEVICE_IO` and `DEVICE_BUS_MASTER`. What is left out is
    /// turned off.
    ///
    /// Returns true. Returns false, and changes nothing, if the driver does not own the device, if a bit is unknown, if the
    /// device has a BAR of that kind without an address, if it is gone, or in a handler.
    pub fn Kernel_EnableDevice(device: c_int, what: u32) -> bool;

    /// Resets a device (function-level reset). Afterwards it decodes nothing and masters no bus. Its BARs keep their
    /// addresses, and its interrupts their handlers, CPUs and masks. Waits until the device is ready again.
    ///
    /// Returns true. Returns false if the driver does not own the device, if the device has no such reset, if it is not ready
    /// in time, or in a handler.
    pub fn Kernel_ResetDevice(device: c_int) -> bool;

    /// Reads a device's configuration space. `width` is 1, 2 or 4 bytes, and `offset` a multiple of it. Handlers may call this
    /// function.
    ///
    /// Returns the value. Returns all ones if the driver does not own the device, if the device is gone, if `width` is another number,
    /// or if `offset` is no multiple of it or above 4095.
    pub fn Kernel_ReadDeviceConfig(device: c_int, offset: u32, width: u32) -> u32;

    /// Writes a device's configuration space. `width` is 1, 2 or 4 bytes, and `offset` a multiple of it. Handlers may call this
    /// function.
    ///
    /// Returns true. Returns false, and writes nothing, if the driver does not own the device, if `width` is another number, if `offset` is
    /// no multiple of it or above 4095, or if the register is the kernel's: the header with BARs and command, except for the status,
    /// the size of cache lines and the latency timer; MSI and MSI-X; what resets the device, moves its BARs or takes its power.
    pub fn Kernel_WriteDeviceConfig(device: c_int, offset: u32, width: u32, value: u32) -> bool;

    /// Finds the next capability with this id. `after` is the offset of the one before; 0 means from the first. The id of
    /// an extended capability has `DEVICE_CAPABILITY_EXTENDED` added. The driver need not own the device. Handlers may call
    /// this function.
    ///
    /// Returns the offset of the capability in configuration space; -1 if there is no other, no such device, or if `after` is no
    /// capability.
    pub fn Kernel_FindDeviceCapability(device: c_int, id: u32, after: c_int) -> c_int;

    /// Maps a part of a BAR that lies in memory. `caching` is `DEVICE_UNCACHED` or `DEVICE_WRITE_COMBINED`. Pages that
    /// hold the MSI-X table are mapped read-only.
    ///
    /// Returns the address of the byte at `offset`. Returns null if the driver does not own the device; if the BAR has no
    /// such part or no address, or lies over RAM or over registers of the kernel; if `size` is 0; if `caching` is another
    /// number, or if a page is mapped with the other caching; if there is no memory for the mapping; or in a handler.
    pub fn Kernel_MapDeviceMemory(
        device: c_int,
        bar: c_int,
        offset: u64,
        size: u64,
        caching: u32,
    ) -> *mut c_void;

    /// Unmaps what one call of `Kernel_MapDeviceMemory` mapped.
    ///
    /// Returns true. Returns false, and changes nothing, if the driver has no such mapping, or in a handler.
    pub fn Kernel_UnmapDeviceMemory(memory: *mut c_void) -> bool;
}

const _: () = {
    assert!(size_of::<DeviceMatch>() == 24);
    assert!(offset_of!(DeviceMatch, Vendor) == 8);
    assert!(offset_of!(DeviceMatch, Class) == 16);
    assert!(offset_of!(DeviceMatch, ClassMask) == 20);

    assert!(size_of::<DeviceBar>() == 24);

    assert!(size_of::<DeviceInfo>() == 216);
    assert!(offset_of!(DeviceInfo, Bus) == 8);
    assert!(offset_of!(DeviceInfo, VendorId) == 12);
    assert!(offset_of!(DeviceInfo, Class) == 20);
    assert!(offset_of!(DeviceInfo, Node) == 24);
    assert!(offset_of!(DeviceInfo, MsixVectors) == 32);
    assert!(offset_of!(DeviceInfo, IntxPin) == 36);
    assert!(offset_of!(DeviceInfo, Bars) == 40);
    assert!(offset_of!(DeviceInfo, Owner) == 184);
};
