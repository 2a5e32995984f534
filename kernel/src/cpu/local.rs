//! A static of which each CPU has its own copy, in memory of its node.
use super::Cpu;
use crate::arch;

/// A value of which each CPU has its own. Made with [`cpu_local!`] only.
///
/// Others may reach it, so it is shared: what is one CPU's alone is behind a type of its owner's.
#[repr(transparent)]
pub struct CpuLocal<T>(core::cell::UnsafeCell<T>);

// SAFETY: it gives out shared references only.
unsafe impl<T: Sync> Sync for CpuLocal<T> {}

impl<T> CpuLocal<T> {
    /// What the copies begin with.
    ///
    /// # Safety
    /// The result becomes a static in the section `cpu_local`.
    pub const unsafe fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// The running CPU's. Where preemption is on, the thread may be on another CPU a moment later.
    #[inline(always)]
    pub fn here(&'static self) -> &'static T {
        self.at(arch::cpu_local_distance())
    }

    /// That of this CPU.
    #[inline(always)]
    pub fn of(&'static self, cpu: &Cpu) -> &'static T {
        self.at(cpu.distance)
    }

    #[inline(always)]
    pub(super) fn at(&'static self, distance: usize) -> &'static T {
        let address = (self as *const Self as usize).wrapping_add(distance);
        // SAFETY: `distance` leads from the section to a copy of it, in which this value has the same place.
        unsafe { &*core::ptr::with_exposed_provenance(address) }
    }
}

/// A value behind its own address, in each CPU's copy, so that one instruction finds it there.
#[repr(C)]
pub struct Addressed<T> {
    /// The value's distance from here as it is linked, its address in a copy.
    address: core::sync::atomic::AtomicUsize,
    pub value: T,
}

impl<T> Addressed<T> {
    /// What the copies begin with. [`arch::copy_section`] puts the address in.
    pub const fn new(value: T) -> Self {
        Self { address: core::sync::atomic::AtomicUsize::new(core::mem::offset_of!(Self, value)), value }
    }
}

/// Declares a static of which each CPU has its own copy, and the function that finds the running CPU's in one instruction.
macro_rules! cpu_local_addressed {
    ($visibility:vis static $name:ident: $type:ty = $value:expr; $(#[$meta:meta])* $here:ident) => {
        #[unsafe(link_section = "cpu_local")]
        $visibility static $name: $crate::cpu::CpuLocal<$crate::cpu::Addressed<$type>> =
            // SAFETY: this is a static in the section `cpu_local`.
            unsafe { $crate::cpu::CpuLocal::new($crate::cpu::Addressed::new($value)) };
        const _: () = {
            #[used]
            #[unsafe(link_section = "cpu_local_addressed")]
            static ADDRESSED: &$crate::cpu::CpuLocal<$crate::cpu::Addressed<$type>> = &$name;
        };
        $(#[$meta])*
        #[inline(always)]
        pub fn $here() -> &'static $type {
            let this = $crate::arch::cpu_local_word!($name);
            // SAFETY: the copy begins with the value's address.
            unsafe { &*this.cast::<$type>() }
        }
    };
}
pub(crate) use cpu_local_addressed;

/// Declares statics of which each CPU has its own copy, which begins with the value given here.
macro_rules! cpu_local {
    ($($(#[$meta:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr;)*) => {$(
        $(#[$meta])*
        #[unsafe(link_section = "cpu_local")]
        // SAFETY: this is a static in the section `cpu_local`.
        $visibility static $name: $crate::cpu::CpuLocal<$type> = unsafe { $crate::cpu::CpuLocal::new($value) };
    )*};
}
pub(crate) use cpu_local;
