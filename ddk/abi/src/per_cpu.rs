//! Memory of which each CPU has a part.

/// The most bytes that each CPU's part may have.
pub const KERNEL_LARGEST_PER_CPU: usize = 1 << 20;

/// What `Kernel_AllocatePerCpu` granted.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PerCpuGrant {
    /// The size of the structure in bytes, set by the driver.
    pub Size: u32,
    /// 0.
    pub Reserved: u32,
    /// Where the part of CPU 0 begins. That of CPU n begins n * `Stride` bytes further.
    pub Memory: *mut core::ffi::c_void,
    /// The distance from one CPU's part to the next one's, in bytes.
    pub Stride: u64,
}

unsafe extern "C" {
    /// \[thread\] Allocates `size` bytes for each CPU that `Kernel_GetCpuCount` counts. Each part lies on its CPU's node, or on the
    /// nearest node that has memory, begins on a page, and is zeroed. No function frees the memory: the kernel takes it back if the
    /// driver refuses to start.
    ///
    /// Returns true. Returns false if `size` is 0 or above `KERNEL_LARGEST_PER_CPU`, if there is not enough memory, if `grant` is
    /// null, misaligned, read-only or not mapped, if its `Size` is too small or its tail is not zero, in a handler, and with
    /// interrupts off.
    pub fn Kernel_AllocatePerCpu(size: usize, grant: *mut PerCpuGrant) -> bool;
}
