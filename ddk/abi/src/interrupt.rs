//! Interrupts of devices.
use core::ffi::{c_int, c_void};
use core::mem::{offset_of, size_of};

/// A handler returns this if its device did not raise the interrupt.
pub const INTERRUPT_NOT_MINE: u32 = 0;
/// A handler returns this if its device raised the interrupt.
pub const INTERRUPT_HANDLED: u32 = 1;

/// The kind MSI-X: a message for each vector, and each may go to another CPU.
pub const INTERRUPT_MSIX: u32 = 1;
/// The kind MSI: one message.
pub const INTERRUPT_MSI: u32 = 2;
/// The kind INTx: one line, which devices may share. It goes to one CPU, where the handlers of all of its devices run in turn.
pub const INTERRUPT_INTX: u32 = 4;

/// An interrupt handler. It runs with interrupts off, and calls only functions that are allowed in handlers.
pub type InterruptHandler = Option<unsafe extern "C" fn(context: *mut c_void) -> u32>;

/// How an interrupt is handled. The driver sets `Size`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct InterruptSetup {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// Must be zero.
    pub Flags: u32,
    /// The handler.
    pub Handler: InterruptHandler,
    /// The handler's argument.
    pub Context: *mut c_void,
    /// The CPU that handles the interrupt. With -1, interrupt i goes to the i-th CPU of the device's node, wrapping around; if
    /// that node has no CPU, to those of the nearest node that has; if the node is unknown, to those of all nodes. A line that
    /// has a handler already stays where it is.
    pub Cpu: i32,
    /// Must be zero.
    pub Reserved: u32,
}

/// One interrupt of a device. The driver sets `Size`, the kernel sets the rest.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterruptInfo {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// [`INTERRUPT_MSIX`], [`INTERRUPT_MSI`] or [`INTERRUPT_INTX`].
    pub Kind: u32,
    /// The vector on the CPU; 0 if no handler is attached.
    pub Vector: u32,
    /// The CPU; -1 if no handler is attached.
    pub Cpu: i32,
    /// The CPU's node; -1 if no handler is attached.
    pub Node: i32,
    /// Zero.
    pub Reserved: u32,
    /// How many times the handler ran since it was attached.
    pub Count: u64,
    /// How many times it returned [`INTERRUPT_NOT_MINE`].
    pub Unclaimed: u64,
    /// The longest run of the handler, in nanoseconds.
    pub LongestNanoseconds: u64,
}

unsafe extern "C" {
    /// Gives a device interrupts: at least `least`, and at most `most`. `kinds` is the sum of the kinds that the driver
    /// accepts. The kernel takes the best of them that gives `least`: MSI-X, then MSI, then INTx. The log says why a kind is
    /// not taken. MSI-X needs `DEVICE_MEMORY` to be enabled before, and messages of both kinds reach a CPU only while
    /// `DEVICE_BUS_MASTER` is enabled: `Kernel_EnableDevice`.
    ///
    /// Returns the number of interrupts, which then have the indices from 0. They have no handlers, and are masked. Returns -1,
    /// and changes nothing, if the driver does not own the device; if the device has interrupts already; if `least` is not at
    /// least 1, or above `most`; if `kinds` is 0, or a kind is unknown, or none gives `least`; if there is no memory; or in a
    /// handler. `Kernel_ReleaseDevice` takes the interrupts back.
    pub fn Kernel_AllocateInterrupts(device: c_int, least: c_int, most: c_int, kinds: u32) -> c_int;

    /// Attaches a handler to an interrupt, and unmasks it.
    ///
    /// Returns true. Returns false, and changes nothing, if the driver does not own the device, or the device has no such
    /// interrupt; if it has a handler; if `setup` is null, misaligned or not mapped; if `Size` is too small, or the tail
    /// not zero; if `Flags` or `Reserved` is not zero; if the handler is null or not code; if the CPU is not online, has no free
    /// vector, or cannot be named by a device (its APIC's id is above 254); if the device does not keep what is written; or in a
    /// handler.
    pub fn Kernel_AttachInterrupt(device: c_int, index: c_int, setup: *const InterruptSetup) -> bool;

    /// Describes an interrupt. Handlers may call it.
    ///
    /// Returns true, and fills `info`. Returns false, and writes nothing, if there is no such device or interrupt, if
    /// `info` is null, misaligned or not mapped, if `Size` is too small, or if the tail is not zero.
    pub fn Kernel_GetInterruptInfo(device: c_int, index: c_int, info: *mut InterruptInfo) -> bool;

    /// Moves an interrupt to another CPU. None is lost meanwhile, and the handler never runs on both CPUs at once. The handlers
    /// of all devices at a line move together.
    ///
    /// Returns true. Returns false, and changes nothing, if the driver does not own the device, if the interrupt has no
    /// handler, if the CPU is not online, has no free vector or cannot be named by a device, or in a handler.
    pub fn Kernel_SetInterruptCpu(device: c_int, index: c_int, cpu: c_int) -> bool;

    /// Masks or unmasks an interrupt. One that arrives while it is masked is delivered when it is unmasked. One that the device has
    /// sent before may still arrive after the call. At a shared line, the kernel still calls the handler for the interrupts of other
    /// devices. Handlers may call this function.
    ///
    /// Returns true. Returns false, and changes nothing, if the driver does not own the device, if the interrupt has no
    /// handler, if the device has no mask for it (some devices with MSI, and with INTx those older than PCI 2.3), or with MSI-X
    /// while the device's memory is not enabled.
    pub fn Kernel_MaskInterrupt(device: c_int, index: c_int, masked: bool) -> bool;

    /// Masks an interrupt and takes its handler away. On return no CPU runs the handler.
    ///
    /// Returns true. Returns false, and changes nothing, if the driver does not own the device, if the interrupt has no
    /// handler, or in a handler.
    pub fn Kernel_DetachInterrupt(device: c_int, index: c_int) -> bool;
}

const _: () = {
    assert!(size_of::<InterruptSetup>() == 32);
    assert!(offset_of!(InterruptSetup, Handler) == 8);
    assert!(offset_of!(InterruptSetup, Context) == 16);
    assert!(offset_of!(InterruptSetup, Cpu) == 24);

    assert!(size_of::<InterruptInfo>() == 48);
    assert!(offset_of!(InterruptInfo, Kind) == 4);
    assert!(offset_of!(InterruptInfo, Node) == 16);
    assert!(offset_of!(InterruptInfo, Count) == 24);
};
