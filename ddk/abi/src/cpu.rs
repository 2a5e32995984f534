//! CPUs.
use core::ffi::c_int;
use core::mem::{offset_of, size_of};

/// `CpuInfo.AcpiProcessorId` of a CPU whose ACPI processor UID does not fit in 8 bits.
pub const CPU_ACPI_PROCESSOR_ID_NONE: u8 = 255;

/// One CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuInfo {
    /// The kernel's dense index.
    pub CpuIndex: u32,
    /// The local APIC's id.
    pub ApicId: u32,
    /// The ACPI processor UID; 255 if it does not fit in 8 bits.
    pub AcpiProcessorId: u8,
    /// The CPU's node, as the kernel's dense index.
    pub NumaNode: u32,
    /// True for the CPU that booted the machine.
    pub IsBsp: bool,
    /// True if the CPU runs.
    pub IsOnline: bool,
    /// True if firmware lists the CPU as enabled.
    pub IsEnabled: bool,
}

unsafe extern "C" {
    /// Returns the number of CPUs that firmware lists as enabled, whether online or not: at least 1.
    pub fn Kernel_GetCpuCount() -> c_int;

    /// Returns the index of the CPU that runs the caller.
    pub fn Kernel_GetCurrentCpu() -> c_int;

    /// Describes the CPU with this index.
    ///
    /// Returns true, and fills `info`. Returns false, and writes nothing, if there is no such CPU, or if `info` is null,
    /// misaligned or not mapped.
    pub fn Kernel_GetCpuInfo(cpu: c_int, info: *mut CpuInfo) -> bool;

    /// Returns true if the CPU with this index runs; false if it does not, or if there is no such CPU.
    pub fn Kernel_IsCpuOnline(cpu: c_int) -> bool;

    /// Returns the index of the CPU that booted the machine. It need not be 0.
    pub fn Kernel_GetBspIndex() -> c_int;
}

const _: () = {
    assert!(size_of::<CpuInfo>() == 20);
    assert!(offset_of!(CpuInfo, CpuIndex) == 0);
    assert!(offset_of!(CpuInfo, ApicId) == 4);
    assert!(offset_of!(CpuInfo, AcpiProcessorId) == 8);
    assert!(offset_of!(CpuInfo, NumaNode) == 12);
    assert!(offset_of!(CpuInfo, IsBsp) == 16);
    assert!(offset_of!(CpuInfo, IsOnline) == 17);
    assert!(offset_of!(CpuInfo, IsEnabled) == 18);
};
