//! Interrupts of a device: each calls a function with a context that lives as long as the device.
use crate::device::Device;
use crate::thread::{Cpu, conjured};
use core::ffi::{c_int, c_void};

pub use abi::InterruptInfo;

/// The kinds of interrupts that a driver accepts, for [`Device::interrupts`].
pub mod kinds {
    pub use abi::{INTERRUPT_INTX as INTX, INTERRUPT_MSI as MSI, INTERRUPT_MSIX as MSIX};
}

/// What an interrupt's function returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handled {
    /// The device has raised the interrupt.
    Yes,
    /// It has not.
    NotMine,
}

/// The interrupts of a device, with indices from 0. They end with the device.
#[derive(Clone, Copy, Debug)]
pub struct Interrupts<'d> {
    device: Device<'d>,
    count: u32,
}

impl<'d> Device<'d> {
    /// Gives the device interrupts: at least `least` and at most `most`, of the best of `kinds` that gives so many. Returns `None` if there are
    /// not so many, or if it has some already.
    #[must_use]
    pub fn interrupts(self, least: u32, most: u32, kinds: u32) -> Option<Interrupts<'d>> {
        // SAFETY: the function takes any numbers.
        let count =
            unsafe { abi::Kernel_AllocateInterrupts(self.id(), least as c_int, most as c_int, kinds) };
        let count = u32::try_from(count).ok()?;
        self.scope().set_interrupts(count);
        Some(Interrupts { device: self, count })
    }
}

impl<'d> Interrupts<'d> {
    /// Returns how many these are, at least 1.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Lets an interrupt call `handler` with `context`, on a CPU or on one near the device. Returns false if the kernel refuses it.
    ///
    /// `handler` is a function, or a closure that captures nothing. It runs with interrupts off: it must not wait or allocate.
    #[must_use]
    pub fn attach<T, F>(&self, index: u32, cpu: Option<Cpu>, context: &'d T, handler: F) -> bool
    where
        T: Sync,
        F: Fn(&'d T) -> Handled + Copy + Send + 'd,
    {
        let _ = handler;
        let setup = abi::InterruptSetup {
            Size: size_of::<abi::InterruptSetup>() as u32,
            Flags: 0,
            Handler: Some(call::<T, F>),
            Context: core::ptr::from_ref(context).cast_mut().cast(),
            Cpu: cpu.unwrap_or(-1),
            Reserved: 0,
        };
        // SAFETY: `setup` is a local variable. `call` takes a `&'d T` as its context, on any CPU, as `T` is `Sync`. It does so until the
        // scope is closed, within `'d`: whoever attaches it later than that is refused.
        !self.device.scope().is_closed()
            && unsafe { abi::Kernel_AttachInterrupt(self.device.id(), index as c_int, &setup) }
    }

    /// Takes an interrupt's function away. On return no CPU runs it. Returns false if there is none.
    #[must_use]
    pub fn detach(&self, index: u32) -> bool {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_DetachInterrupt(self.device.id(), index as c_int) }
    }

    /// Masks or unmasks an interrupt. Returns false if the kernel refuses it. May be called in a handler.
    #[must_use]
    pub fn mask(&self, index: u32, masked: bool) -> bool {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_MaskInterrupt(self.device.id(), index as c_int, masked) }
    }

    /// Moves an interrupt to another CPU. Returns false if the kernel refuses it.
    #[must_use]
    pub fn move_to(&self, index: u32, cpu: Cpu) -> bool {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_SetInterruptCpu(self.device.id(), index as c_int, cpu) }
    }

    /// Returns what is known of an interrupt, or `None` if the device has no such interrupt.
    #[must_use]
    pub fn info(&self, index: u32) -> Option<InterruptInfo> {
        let mut info = InterruptInfo { Size: size_of::<InterruptInfo>() as u32, ..InterruptInfo::default() };
        // SAFETY: `info` is a local variable that nothing else refers to during the call.
        unsafe { abi::Kernel_GetInterruptInfo(self.device.id(), index as c_int, &mut info) }.then_some(info)
    }
}

/// Calls the closure of this type, which captures nothing, with the value at `context`.
unsafe extern "C" fn call<'d, T: Sync + 'd, F: Fn(&'d T) -> Handled + Copy + Send + 'd>(
    context: *mut c_void,
) -> u32 {
    let handler = conjured::<F>();
    // SAFETY: `Interrupts::attach` alone names this function, with a `&'d T`, and nothing calls it after `'d`.
    match handler(unsafe { &*context.cast::<T>() }) {
        Handled::Yes => abi::INTERRUPT_HANDLED,
        Handled::NotMine => abi::INTERRUPT_NOT_MINE,
    }
}
