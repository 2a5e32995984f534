//! Statics of which each CPU has its own copy, in memory of its node.
use super::identity::Cpu;
use crate::arch::{CpuArea, InterruptsOff};
use core::cell::UnsafeCell;
use core::sync::atomic::AtomicUsize;

/// A guard that keeps the running thread on its CPU while it lives.
pub trait Pinned {}

impl Pinned for InterruptsOff {}

/// A value of which each CPU has its own copy. Only the macros [`cpu_local!`] and [`cpu_local_addressed!`] make one.
///
/// Other CPUs can reach a copy. A value that only its CPU may touch is private to the file that declares it.
#[repr(transparent)]
pub struct CpuLocal<T>(UnsafeCell<T>);

// SAFETY: a `CpuLocal` gives out shared references, which `T: Sync` allows on any CPU. Writing through `as_ptr_of` is unsafe.
unsafe impl<T: Sync> Sync for CpuLocal<T> {}

impl<T> CpuLocal<T> {
    /// Returns the value that each CPU's copy begins with.
    ///
    /// # Safety
    /// The result becomes a static in the section `cpu_local`.
    pub const unsafe fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Returns the running CPU's value. The guard keeps the thread on that CPU while the reference lives.
    #[inline(always)]
    pub fn here<'g>(&'static self, _: &'g impl Pinned) -> &'g T {
        self.of_area(CpuArea::current())
    }

    /// Returns the running CPU's value. Unless something else keeps the thread on its CPU, the thread may move at any time, so
    /// this is for values that any CPU may use.
    #[inline(always)]
    pub fn here_or_elsewhere(&'static self) -> &'static T {
        self.of_area(CpuArea::current())
    }

    /// Returns this CPU's value.
    #[inline(always)]
    pub fn of(&'static self, cpu: &Cpu) -> &'static T {
        self.of_area(cpu.area)
    }

    /// Returns the address of this CPU's value, to set it up before the CPU runs.
    pub fn as_ptr_of(&'static self, cpu: &Cpu) -> *mut T {
        cpu.area.copy_of(self.0.get()).cast_mut()
    }

    /// Returns the value in this area.
    #[inline(always)]
    pub(super) fn of_area(&'static self, area: CpuArea) -> &'static T {
        // SAFETY: by `new`, `self` is a static in the section. The area is a copy of the section that exists for good.
        unsafe { &*area.copy_of(self.0.get()) }
    }
}

/// A value with its own address in front of it, so that one instruction finds it in each CPU's copy.
#[repr(C)]
pub struct Addressed<T> {
    /// In a copy, the address of `value`. As linked, its offset from here, which [`CpuArea::new`] turns into the address.
    address: AtomicUsize,
    /// The value.
    pub value: T,
}

impl<T> Addressed<T> {
    /// Returns the value that each CPU's copy begins with.
    pub const fn new(value: T) -> Self {
        Self { address: AtomicUsize::new(core::mem::offset_of!(Self, value)), value }
    }
}

/// Declares a static of which each CPU has its own copy, and a function that returns the running CPU's value with one
/// instruction. If the thread can move meanwhile, the result may be another CPU's.
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
            // SAFETY: `CpuArea::new` has put the address of the copy's value there, and the copy exists for good.
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
