//! Asking the kernel for memory that a device accesses.
use crate::device::Device;
use crate::memory::Node;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// What the kernel says of memory that it has granted.
#[derive(Clone, Copy)]
pub struct Grant<'d> {
    /// The address of the first byte, for the device.
    pub address: u64,
    pub node: Node,
    device: PhantomData<Device<'d>>,
}

/// What memory holds when it is allocated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Zeros,
    /// Whatever was there.
    Any,
}

/// Allocates memory for a `T`, below `highest`; 0 means the limit of the device's bus. It ends with the device, if not before.
pub fn allocate<T>(device: Device<'_>, highest: u64, content: Content) -> Option<(NonNull<T>, Grant<'_>)> {
    const { assert!(size_of::<T>() > 0 && align_of::<T>() <= 4096) };
    let request = abi::DmaRequest {
        Size: size_of::<abi::DmaRequest>() as u32,
        Flags: if content == Content::Any { abi::DMA_NOT_ZEROED } else { 0 },
        Device: device.id(),
        Reserved: 0,
        Bytes: size_of::<T>() as u64,
        Alignment: 0,
        Boundary: 0,
        HighestAddress: highest,
        Policy: core::ptr::null(),
    };
    let mut grant = abi::DmaGrant {
        Size: size_of::<abi::DmaGrant>() as u32,
        Node: 0,
        Memory: core::ptr::null_mut(),
        DeviceAddress: 0,
        Bytes: 0,
        Distance: 0,
        FellBack: 0,
    };
    // SAFETY: both structures are local variables that nothing else refers to during the call.
    if !unsafe { abi::Kernel_AllocateDma(&request, &mut grant) } {
        return None;
    }
    let memory = NonNull::new(grant.Memory.cast())?;
    Some((memory, Grant { address: grant.DeviceAddress, node: grant.Node, device: PhantomData }))
}
