//! Registers of a device in memory: the range is checked once, and then each access is one instruction.
use crate::device::Device;
use core::ffi::c_int;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// How the CPU caches a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caching {
    /// Not at all.
    Uncached,
    /// It may combine writes.
    WriteCombined,
}

/// A BAR of a device, or a part of one, that is mapped. The mapping ends with the device.
#[derive(Clone, Copy, Debug)]
pub struct Bar<'d> {
    base: NonNull<u8>,
    bytes: usize,
    device: PhantomData<Device<'d>>,
}

// SAFETY: a mapping gives out registers only, which may be used on any CPU.
unsafe impl Send for Bar<'_> {}
// SAFETY: as for `Send`.
unsafe impl Sync for Bar<'_> {}

impl<'d> Device<'d> {
    /// Maps a whole BAR, which the CPU does not cache. Returns `None` if the kernel refuses it, for example because there is no such BAR in
    /// memory.
    #[must_use]
    pub fn bar(self, bar: u32) -> Option<Bar<'d>> {
        let bytes = self.info().Bars.get(bar as usize)?.Size;
        self.map(bar, 0, usize::try_from(bytes).ok()?, Caching::Uncached)
    }

    /// Maps a part of a BAR. Returns `None` if the kernel refuses it, for example because the BAR has no such part.
    #[must_use]
    pub fn map(self, bar: u32, offset: u64, bytes: usize, caching: Caching) -> Option<Bar<'d>> {
        let caching = match caching {
            Caching::Uncached => abi::DEVICE_UNCACHED,
            Caching::WriteCombined => abi::DEVICE_WRITE_COMBINED,
        };
        // SAFETY: the function takes any numbers.
        let base =
            unsafe { abi::Kernel_MapDeviceMemory(self.id(), bar as c_int, offset, bytes as u64, caching) };
        Some(Bar { base: NonNull::new(base.cast())?, bytes, device: PhantomData })
    }
}

impl<'d> Bar<'d> {
    /// Returns the bytes that are mapped.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the register at an offset, or `None` if it does not lie in the mapping or is not aligned.
    #[must_use]
    pub fn register<T: Word>(&self, offset: usize) -> Option<Register<'d, T>> {
        let end = offset.checked_add(size_of::<T>())?;
        // SAFETY: `offset` is below `bytes`, which are mapped.
        let register = (end <= self.bytes).then(|| unsafe { self.base.byte_add(offset) })?.cast::<T>();
        register.is_aligned().then_some(Register { register, bar: PhantomData })
    }
}

/// One register of a device. An access is one instruction, and checks nothing any more.
#[derive(Clone, Copy, Debug)]
pub struct Register<'d, T> {
    register: NonNull<T>,
    bar: PhantomData<Bar<'d>>,
}

// SAFETY: each access is one volatile instruction, which any CPU may execute.
unsafe impl<T: Word> Send for Register<'_, T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Word> Sync for Register<'_, T> {}

impl<T: Word> Register<'_, T> {
    /// Reads the register, with one access.
    #[inline(always)]
    #[must_use]
    pub fn read(&self) -> T {
        // SAFETY: `Bar::register` has checked range and alignment, and the mapping stays for the register's lifetime.
        unsafe { self.register.read_volatile() }
    }

    /// Writes the register, with one access.
    #[inline(always)]
    pub fn write(&self, value: T) {
        // SAFETY: `Bar::register` has checked range and alignment, and the mapping stays for the register's lifetime.
        unsafe { self.register.write_volatile(value) }
    }
}

/// The integers that one instruction reads or writes. Only this crate implements it.
pub trait Word: Copy + Send + Sync + 'static + sealed::Sealed {}

pub(crate) mod sealed {
    /// Keeps other crates from implementing a trait.
    pub trait Sealed {}
}

macro_rules! words {
    ($($word:ty)+) => {
        $(impl sealed::Sealed for $word {}
        impl Word for $word {})+
    };
}
words! { u8 u16 u32 u64 }
