//! Pointers that drivers pass. Each access asks the page tables first, so a wrong pointer is refused and does not fault the
//! kernel.
use crate::memory::page_tables;
use abi::{
    BlockDriver, DeviceInfo, DeviceMatch, DmaRequest, InterruptInfo, InterruptSetup, NumaPolicy, PageRequest,
    PerCpuGrant,
};
use arrayvec::{ArrayString, ArrayVec};
use core::mem::{align_of, size_of};
use core::sync::atomic::{AtomicU32, Ordering};
use units::{FRAME_SIZE, VirtAddr};

/// The most bytes of an array.
const LONGEST_ARRAY: usize = 1 << 20;

/// What an access does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    Read,
    /// It writes.
    Write,
}

/// A type for which every pattern of bits is a value: an integer, a raw pointer, or a structure of these.
///
/// # Safety
/// Every pattern of bits is a value of the type.
pub unsafe trait Plain: Copy {}

// SAFETY: every pattern of bits is a value of an integer.
unsafe impl Plain for u8 {}
// SAFETY: every pattern of bits is a value of an integer.
unsafe impl Plain for u32 {}
// SAFETY: every pattern of bits is a value of an integer.
unsafe impl Plain for u64 {}
// SAFETY: the structure has only integers and a raw pointer, of which every pattern of bits is a value.
unsafe impl Plain for NumaPolicy {}
// SAFETY: the structure has only integers and a raw pointer, of which every pattern of bits is a value.
unsafe impl Plain for PageRequest {}
// SAFETY: the structure has only integers, a raw pointer, and functions that may be null, of which every pattern of bits is a value.
unsafe impl Plain for BlockDriver {}

// SAFETY: the structure has only integers, of which every pattern of bits is a value.
unsafe impl Plain for DeviceMatch {}
// SAFETY: the structure has only integers, of which every pattern of bits is a value.
unsafe impl Plain for DeviceInfo {}

// SAFETY: the structure has only integers and a raw pointer, of which every pattern of bits is a value.
unsafe impl Plain for DmaRequest {}
// SAFETY: the structure has only integers and a raw pointer, of which every pattern of bits is a value.
unsafe impl Plain for PerCpuGrant {}
// SAFETY: the structure has integers, a raw pointer, and an optional function, of which every pattern of bits is a value: the kernel
// calls one only once it has found code there.
unsafe impl Plain for InterruptSetup {}
// SAFETY: the structure has only integers, of which every pattern of bits is a value.
unsafe impl Plain for InterruptInfo {}

/// A pointer that a driver passed to an export. An access is refused, and nothing is read or written, if the pointer is
/// null or misaligned, or if the memory is not mapped or, for a write, read-only.
pub struct DriverPointer<T>(*mut T);

impl<T> DriverPointer<T> {
    /// Wraps a pointer.
    ///
    /// # Safety
    /// The value, array or text that the ABI expects at `pointer` lies in the driver's own memory, as far as memory is mapped
    /// there. Until the export returns, nothing else accesses it. Both hold for what pointers in it lead to.
    pub const unsafe fn new(pointer: *const T) -> Self {
        Self(pointer.cast_mut())
    }

    /// Returns true if the pointer is null.
    pub const fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Reads the value.
    pub fn read(&self) -> Option<T>
    where
        T: Plain,
    {
        self.check(size_of::<T>(), Access::Read)?;
        // SAFETY: `check` found the memory aligned and mapped. By the condition of `new` nothing writes it meanwhile, and any
        // bytes are a value of a `Plain` type.
        Some(unsafe { self.0.read() })
    }

    /// Writes a value.
    pub fn write(&self, value: T) -> Option<()> {
        self.check(size_of::<T>(), Access::Write)?;
        // SAFETY: `check` found the memory aligned, mapped and writable. By the condition of `new` it is the driver's, and
        // nothing else accesses it.
        unsafe { self.0.write(value) };
        Some(())
    }

    /// Reads a structure that begins with its size in bytes, as the driver set it. A structure longer than the kernel knows
    /// is accepted if its tail is zero.
    pub fn read_sized(&self) -> Option<T>
    where
        T: Plain,
    {
        self.check_sized(Access::Read)?;
        self.read()
    }

    /// Checks access to a structure that begins with its size in bytes, as [`DriverPointer::read_sized`] reads one. Returns
    /// the size.
    pub fn check_sized(&self, access: Access) -> Option<u32> {
        let size = DriverPointer(self.0.cast::<u32>()).read()?;
        let end = size as usize;
        if end < size_of::<T>() {
            return None;
        }
        self.check(end, access)?;
        let tail = size_of::<T>()..end;
        // SAFETY: `check` found the whole structure mapped. By the condition of `new` nothing writes it meanwhile.
        let byte = |offset| unsafe { self.0.cast::<u8>().wrapping_add(offset).read() };
        tail.into_iter().all(|offset| byte(offset) == 0).then_some(size)
    }

    /// Reads an array of as many elements as `to` has.
    pub fn read_array(&self, to: &mut [T]) -> Option<()>
    where
        T: Plain,
    {
        self.check(size_of_val(to), Access::Read)?;
        // SAFETY: `check` found the array aligned and mapped. By the condition of `new` nothing writes it meanwhile, and any
        // bytes are values of a `Plain` type. `to` has room for exactly as many.
        unsafe { self.0.copy_to(to.as_mut_ptr(), to.len()) };
        Some(())
    }

    /// Writes an array of `length` elements, each as `value` returns it for its index.
    pub fn write_array(&self, length: usize, value: impl Fn(usize) -> T) -> Option<()> {
        let size = length.checked_mul(size_of::<T>()).filter(|size| *size <= LONGEST_ARRAY)?;
        self.check(size, Access::Write)?;
        for index in 0..length {
            // SAFETY: `check` found the array aligned, mapped and writable. By the condition of `new` it is the driver's, and
            // nothing else accesses it.
            unsafe { self.0.wrapping_add(index).write(value(index)) };
        }
        Some(())
    }

    /// Writes the first `length` of these values one after the other. Nothing is written if there is no memory for `length` of them.
    #[inline]
    pub fn write_each(&self, length: usize, values: impl Iterator<Item = T>) -> Option<()> {
        let size = length.checked_mul(size_of::<T>()).filter(|size| *size <= LONGEST_ARRAY)?;
        self.check(size, Access::Write)?;
        for (index, value) in values.take(length).enumerate() {
            // SAFETY: `check` found the array aligned, mapped and writable. By the condition of `new` it is the driver's, and
            // nothing else accesses it.
            unsafe { self.0.wrapping_add(index).write(value) };
        }
        Some(())
    }

    /// Checks that an array of `length` elements may be read.
    pub fn check_array(&self, length: usize) -> Option<()> {
        let size = length.checked_mul(size_of::<T>()).filter(|size| *size <= LONGEST_ARRAY)?;
        self.check(size, Access::Read)
    }

    /// Checks that the value may be written, before work that its result would need.
    pub fn check_writable(&self) -> Option<()> {
        self.check(size_of::<T>(), Access::Write)
    }

    /// Checks access to `length` bytes. Even for no bytes the first address must be mapped.
    fn check(&self, length: usize, access: Access) -> Option<()> {
        let start = self.0.addr() as u64;
        if self.is_null() || !start.is_multiple_of(align_of::<T>() as u64) {
            return None;
        }
        let end = start.checked_add(length.max(1) as u64)?;
        let mut page = start - start % FRAME_SIZE;
        while page < end {
            let mapping = page_tables::access_at(VirtAddr(page))?;
            if access == Access::Write && !mapping.writable {
                return None;
            }
            page = page.checked_add(FRAME_SIZE)?;
        }
        Some(())
    }
}

impl DriverPointer<u32> {
    /// Reads a word that other threads may write meanwhile, if they do so atomically.
    pub fn load(&self) -> Option<u32> {
        self.check(size_of::<u32>(), Access::Read)?;
        // SAFETY: `check` found the word aligned and mapped. Other threads access it atomically alone, by the ABI.
        Some(unsafe { AtomicU32::from_ptr(self.0) }.load(Ordering::Acquire))
    }
}

impl DriverPointer<u8> {
    /// Copies `length` bytes, or the first `N` if there are more.
    pub fn copy<const N: usize>(&self, length: usize) -> Option<ArrayVec<u8, N>> {
        let length = length.min(N);
        self.check(length, Access::Read)?;
        let mut copy = ArrayVec::new();
        // SAFETY: `check` found the bytes mapped, and by the condition of `new` nothing writes them meanwhile. The copy has room
        // for `N` bytes, and exactly `length` of them are initialized when its length is set.
        unsafe {
            self.0.copy_to(copy.as_mut_ptr(), length);
            copy.set_len(length);
        }
        Some(copy)
    }

    /// Copies text up to its zero byte, up to what is not UTF-8, or its first `N` bytes, whichever is shortest.
    pub fn text<const N: usize>(&self) -> Option<ArrayString<N>> {
        const { assert!(N < FRAME_SIZE as usize) };
        // The page behind the zero byte need not be mapped, so the bytes up to the page's end are read first.
        let in_page = (FRAME_SIZE - self.0.addr() as u64 % FRAME_SIZE) as usize;
        let mut bytes = self.copy::<N>(in_page)?;
        if bytes.len() < N && !bytes.contains(&0) {
            bytes.extend(Self(self.0.wrapping_add(in_page)).copy::<N>(N - in_page)?);
        }
        let text = bytes.split(|&byte| byte == 0).next()?;
        let valid = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        ArrayString::from(valid).ok()
    }
}

/// Returns true if executable memory is mapped at the address.
pub fn is_code(address: *const ()) -> bool {
    page_tables::access_at(VirtAddr(address.addr() as u64)).is_some_and(|mapping| mapping.executable)
}
