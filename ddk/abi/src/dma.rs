//! DMA: memory that devices access. A device address is a kind of number of its own, not a physical address.
use crate::NumaPolicy;
use core::ffi::{c_int, c_void};
use core::mem::{offset_of, size_of};

/// `DmaRequest.Flags`: the content of the memory is undefined. Without this flag the kernel fills it with zeros.
pub const DMA_NOT_ZEROED: u32 = 1;

/// The most bytes that `Kernel_MapDma` takes in a handler, in a function of a block device and with interrupts off.
pub const KERNEL_DMA_HANDLER_BYTES: u32 = 256 << 10;

/// `Kernel_MapDma`: the device reads the memory.
pub const DMA_TO_DEVICE: u32 = 1;
/// `Kernel_MapDma`: the device writes the memory.
pub const DMA_FROM_DEVICE: u32 = 2;

/// A request for `Kernel_AllocateDma`. The driver sets `Size`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaRequest {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// `DMA_NOT_ZEROED`, or 0.
    pub Flags: u32,
    /// The device that accesses the memory. The driver owns it.
    pub Device: i32,
    /// Must be zero.
    pub Reserved: u32,
    /// Bytes, at least 1. The memory is contiguous for the device and for the driver.
    pub Bytes: u64,
    /// The alignment of the device address: a power of two; 0 means one page.
    pub Alignment: u64,
    /// A power of two that the memory does not cross a multiple of; 0 means none.
    pub Boundary: u64,
    /// The highest device address of the last byte; 0 means the device's limit: none with PCI Express, else 4 GiB - 1.
    pub HighestAddress: u64,
    /// Where the memory comes from; null means the device's node, or the nearest that has some.
    pub Policy: *const NumaPolicy,
}

/// The result of `Kernel_AllocateDma`. The driver sets `Size`, the kernel sets the rest.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaGrant {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// The node of the memory.
    pub Node: i32,
    /// The address for the driver.
    pub Memory: *mut c_void,
    /// The address for the device.
    pub DeviceAddress: u64,
    /// The bytes that were granted: at least those requested.
    pub Bytes: u64,
    /// The distance from the device's node to `Node`, as `Kernel_GetNumaDistance` returns it; from the running CPU's node if
    /// the device's is unknown.
    pub Distance: u32,
    /// 1 if the memory is of another node than the policy's first choice, which had none; otherwise 0.
    pub FellBack: u32,
}

/// A contiguous part of memory, for a device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmaSegment {
    /// The device address of the first byte.
    pub Address: u64,
    /// Bytes.
    pub Bytes: u64,
}

unsafe extern "C" {
    /// Allocates memory that a device accesses. It is contiguous, and freed when the driver gives the device back, if not
    /// before.
    ///
    /// Returns true, and fills `grant`. Returns false, and writes nothing, if there is no such memory; if the driver does
    /// not own the device; if a pointer is null, misaligned or not mapped; if a `Size` is too small, or a tail not zero; if
    /// `Bytes` is 0; if `Alignment` or `Boundary` is no power of two, or `Bytes` exceeds `Boundary`; if a flag is unknown; if
    /// the policy is one that `Kernel_SetNumaPolicy` refuses; or in a handler.
    pub fn Kernel_AllocateDma(request: *const DmaRequest, grant: *mut DmaGrant) -> bool;

    /// Frees memory from `Kernel_AllocateDma`, by the device address of its first byte. The device no longer accesses it.
    ///
    /// Returns true. Returns false, and changes nothing, if the driver has no such memory, or in a handler.
    pub fn Kernel_FreeDma(deviceAddress: u64) -> bool;

    /// Makes the driver's memory accessible to a device. `direction` is the sum of `DMA_TO_DEVICE` and
    /// `DMA_FROM_DEVICE`. `segments` has room for `count` elements; the kernel joins neighbouring
    /// parts. The memory stays the driver's, which does not free it before it ends the mapping. Handlers may call this function.
    ///
    /// Returns the number of segments used. Returns -1, and writes nothing, if the driver does not own the device, and the device
    /// serves no block device, to which any driver submits requests; if the memory is not mapped, or is not the driver's image, the
    /// heap, a stack, memory of `Kernel_AllocatePerCpu`, or pages through `Kernel_PhysToVirt`; if the device would write memory that
    /// is read-only; if `size` is 0 or above 1 GiB, or above `KERNEL_DMA_HANDLER_BYTES` in a handler, in a function of a block device
    /// or with interrupts off; if `direction` is 0 or has an unknown bit; if more than `count`
    /// segments are needed; or if `segments` is null, misaligned or not mapped.
    pub fn Kernel_MapDma(
        device: c_int,
        memory: *mut c_void,
        size: usize,
        direction: u32,
        segments: *mut DmaSegment,
        count: c_int,
    ) -> c_int;

    /// Ends what `Kernel_MapDma` began. The device no longer accesses the memory. Handlers may call this function.
    ///
    /// Returns true. Returns false, and changes nothing, if `Kernel_MapDma` refuses the device to the driver, if `segments` is null,
    /// misaligned or not mapped, or if `count` is negative.
    pub fn Kernel_UnmapDma(device: c_int, segments: *const DmaSegment, count: c_int) -> bool;
}

const _: () = {
    assert!(size_of::<DmaRequest>() == 56);
    assert!(offset_of!(DmaRequest, Device) == 8);
    assert!(offset_of!(DmaRequest, Bytes) == 16);
    assert!(offset_of!(DmaRequest, Policy) == 48);

    assert!(size_of::<DmaGrant>() == 40);
    assert!(offset_of!(DmaGrant, Memory) == 8);
    assert!(offset_of!(DmaGrant, Distance) == 32);

    assert!(size_of::<DmaSegment>() == 16);
};
