//! Interrupts of a device: each calls a function with a context that stays for good.
use crate::device::Device;
use crate::thread::{Cpu, conjured};
use core::ffi::{c_int, c_void};

pub use abi::InterruptInfo;

/// The kinds of interrupts that a driver accepts, for [`Device::allocate_interrupts`].
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

impl Device {
    /// Gives the device interrupts: at least `least` and at most `most`, of the best of `kinds` that gives so many. Returns how many.
    #[must_use]
    pub fn allocate_interrupts(&self, least: u32, most: u32, kinds: u32) -> Option<u32> {
        // SAFETY: the function takes any numbers.
        let count =
            unsafe { abi::Kernel_AllocateInterrupts(self.id(), least as c_int, most as c_int, kinds) };
        u32::try_from(count).ok()
    }

    /// Lets an interrupt call `handler` with `context`, on a CPU or on one near the device. Returns false if the kernel refuses it.
    ///
    /// `handler` is a function, or a closure that captures nothing. It runs with interrupts off: it must not wait or allocate.
    #[must_use]
    pub fn attach_interrupt<T, F>(
        &self,
        index: u32,
        cpu: Option<Cpu>,
        context: &'static T,
        handler: F,
    ) -> bool
    where
        T: Sync,
        F: Fn(&'static T) -> Handled + Copy + Send + 'static,
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
        // SAFETY: `setup` is a local variable. `call` takes a `&'static T` as its context, on any CPU, as `T` is `Sync`.
        unsafe { abi::Kernel_AttachInterrupt(self.id(), index as c_int, &setup) }
    }

    /// Takes an interrupt's function away. On return no CPU runs it. Returns false if there is none.
    #[must_use]
    pub fn detach_interrupt(&self, index: u32) -> bool {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_DetachInterrupt(self.id(), index as c_int) }
    }

    /// Masks or unmasks an interrupt. Returns false if the kernel refuses it. May be called in a handler.
    #[must_use]
    pub fn mask_interrupt(&self, index: u32, masked: bool) -> bool {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_MaskInterrupt(self.id(), index as c_int, masked) }
    }

    /// Moves an interrupt to another CPU. Returns false if the kernel refuses it.
    #[must_use]
    pub fn set_interrupt_cpu(&self, index: u32, cpu: Cpu) -> bool {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_SetInterruptCpu(self.id(), index as c_int, cpu) }
    }

    /// Returns what is known of an interrupt, or `None` if the device has no such interrupt.
    #[must_use]
    pub fn interrupt_info(&self, index: u32) -> Option<InterruptInfo> {
        let mut info = InterruptInfo { Size: size_of::<InterruptInfo>() as u32, ..InterruptInfo::default() };
        // SAFETY: `info` is a local variable that nothing else refers to during the call.
        unsafe { abi::Kernel_GetInterruptInfo(self.id(), index as c_int, &mut info) }.then_some(info)
    }
}

/// Calls the closure of this type, which captures nothing, with the value at `context`.
unsafe extern "C" fn call<T: Sync + 'static, F: Fn(&'static T) -> Handled + Copy + Send + 'static>(
    context: *mut c_void,
) -> u32 {
    let handler = conjured::<F>();
    // SAFETY: `attach_interrupt` alone names this function, with a `&'static T`.
    match handler(unsafe { &*context.cast::<T>() }) {
        Handled::Yes => abi::INTERRUPT_HANDLED,
        Handled::NotMine => abi::INTERRUPT_NOT_MINE,
    }
}
