//! Pointers that drivers pass. Each access asks the page tables first, or finds out itself, so a wrong pointer is refused. The access
//! itself is guarded: memory that another thread of the driver unmaps meanwhile reads as zeros, and the kernel does not fault.
use super::caller;
use crate::arch::{Mapping, guarded};
use crate::memory::{page_tables, protection};
use abi::{
    BlockDriver, DeviceInfo, DeviceMatch, DmaGrant, DmaRequest, InterruptInfo, InterruptSetup, NumaPolicy,
    PageGrant, PageRequest, PerCpuGrant,
};
use arrayvec::{ArrayString, ArrayVec};
use core::mem::{MaybeUninit, align_of, size_of};
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
/// Every pattern of bits is a value of the type, so also zeros.
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
// SAFETY: the structure has only integers, of which every pattern of bits is a value.
unsafe impl Plain for PageGrant {}
// SAFETY: the structure has only integers and a raw pointer, of which every pattern of bits is a value.
unsafe impl Plain for DmaGrant {}

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
        Some(read_guarded(self.0.addr()))
    }

    /// Writes a value.
    pub fn write(&self, value: T) -> Option<()> {
        self.check(size_of::<T>(), Access::Write)?;
        // SAFETY: by the condition of `new` the memory is the driver's, and nothing else accesses it.
        unsafe { write_guarded(self.0.addr(), &value) };
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
        let is_zero = |offset| guarded::read_u8(self.0.addr() + offset) == Some(0);
        tail.into_iter().all(is_zero).then_some(size)
    }

    /// Reads an array of as many elements as `to` has.
    pub fn read_array(&self, to: &mut [T]) -> Option<()>
    where
        T: Plain,
    {
        self.check(size_of_val(to), Access::Read)?;
        for (index, to) in to.iter_mut().enumerate() {
            *to = read_guarded(self.0.wrapping_add(index).addr());
        }
        Some(())
    }

    /// Writes an array of `length` elements, each as `value` returns it for its index.
    pub fn write_array(&self, length: usize, value: impl Fn(usize) -> T) -> Option<()> {
        let size = length.checked_mul(size_of::<T>()).filter(|size| *size <= LONGEST_ARRAY)?;
        self.check(size, Access::Write)?;
        for index in 0..length {
            // SAFETY: by the condition of `new` the array is the driver's, and nothing else accesses it.
            unsafe { write_guarded(self.0.wrapping_add(index).addr(), &value(index)) };
        }
        Some(())
    }

    /// Writes the first `length` of these values one after the other. Nothing is written if there is no memory for `length` of them.
    #[inline]
    pub fn write_each(&self, length: usize, values: impl Iterator<Item = T>) -> Option<()> {
        let size = length.checked_mul(size_of::<T>()).filter(|size| *size <= LONGEST_ARRAY)?;
        self.check(size, Access::Write)?;
        for (index, value) in values.take(length).enumerate() {
            // SAFETY: by the condition of `new` the array is the driver's, and nothing else accesses it.
            unsafe { write_guarded(self.0.wrapping_add(index).addr(), &value) };
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
            if access == Access::Write && !(mapping.writable && is_callers(&mapping)) {
                return None;
            }
            page = page.checked_add(FRAME_SIZE)?;
        }
        Some(())
    }
}

/// Returns true if the calling driver may have the kernel write the page: where keys protect memory, one that the driver may write itself.
fn is_callers(page: &Mapping) -> bool {
    !protection::is_on() || protection::may_write(caller::key(), page.key)
}

impl DriverPointer<u32> {
    /// Reads a word that other threads may write meanwhile, if they do so atomically.
    pub fn load(&self) -> Option<u32> {
        // The access itself finds out whether the word is mapped. One that crosses a page would be two accesses.
        if self.0.is_aligned() { guarded::load_u32(self.0.addr()) } else { None }
    }
}

impl DriverPointer<u8> {
    /// Copies `length` bytes, or the first `N` if there are more.
    pub fn copy<const N: usize>(&self, length: usize) -> Option<ArrayVec<u8, N>> {
        let length = length.min(N);
        self.check(length, Access::Read)?;
        let mut copy = ArrayVec::from([0; N]);
        copy.truncate(length);
        // SAFETY: the copy has `length` bytes.
        unsafe { guarded::copy_from(self.0.addr(), copy.as_mut_ptr(), length) };
        Some(copy)
    }

    /// Copies text up to its zero byte, up to what is not UTF-8, or its first `N` bytes, whichever is shortest.
    pub fn text<const N: usize>(&self) -> Option<ArrayString<N>> {
        let bytes = self.copy_to_zero::<N>()?;
        let text = bytes.split(|&byte| byte == 0).next()?;
        let valid = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        ArrayString::from(valid).ok()
    }

    /// Copies text whose zero byte is among its first `N` bytes. Returns `None` if it has none, or if the text is not UTF-8.
    pub fn whole_text<const N: usize>(&self) -> Option<ArrayString<N>> {
        let bytes = self.copy_to_zero::<N>()?;
        let end = bytes.iter().position(|&byte| byte == 0)?;
        ArrayString::from(core::str::from_utf8(&bytes[..end]).ok()?).ok()
    }

    /// Copies the first `N` bytes, or some of these with the first zero among them.
    fn copy_to_zero<const N: usize>(&self) -> Option<ArrayVec<u8, N>> {
        const { assert!(N < FRAME_SIZE as usize) };
        // The page behind the zero byte need not be mapped, so the bytes up to the page's end are read first.
        let in_page = (FRAME_SIZE - self.0.addr() as u64 % FRAME_SIZE) as usize;
        let mut bytes = self.copy::<N>(in_page)?;
        if bytes.len() < N && !bytes.contains(&0) {
            bytes.extend(Self(self.0.wrapping_add(in_page)).copy::<N>(N - in_page)?);
        }
        Some(bytes)
    }
}

/// Reads a value, word by word. Words that cannot be read are zero.
#[inline(always)]
fn read_guarded<T: Plain>(address: usize) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    let to = value.as_mut_ptr();
    for offset in (0..size_of::<T>()).step_by(align_of::<T>()) {
        let from = address.wrapping_add(offset);
        // SAFETY: the offset is a multiple of the type's alignment and below its size, which is a multiple of the alignment, so a word as
        // large as the alignment lies there within the value.
        unsafe {
            match align_of::<T>() {
                8 => to.byte_add(offset).cast::<u64>().write(guarded::read_u64::<0, 0>(from)),
                4 => to.byte_add(offset).cast::<u32>().write(guarded::read_u32::<0, 0>(from)),
                _ => to.byte_add(offset).cast::<u8>().write(guarded::read_u8(from).unwrap_or(0)),
            }
        }
    }
    // SAFETY: every pattern of bits is a value of a `Plain` type, and all bytes were initialized.
    unsafe { value.assume_init() }
}

/// Writes a value, word by word. Words that cannot be written are left out.
///
/// # Safety
/// Writing the memory, as far as it is mapped and writable, breaks nothing that the caller does not vouch for.
#[inline(always)]
unsafe fn write_guarded<T>(address: usize, value: &T) {
    let from = core::ptr::from_ref(value);
    for offset in (0..size_of::<T>()).step_by(align_of::<T>()) {
        let to = address.wrapping_add(offset);
        // SAFETY: as in `read_guarded` for the reads, which may be of padding; `# Safety` for the writes.
        unsafe {
            match align_of::<T>() {
                8 => guarded::write_8_bytes(to, from.byte_add(offset).cast::<MaybeUninit<u64>>().read()),
                4 => guarded::write_4_bytes(to, from.byte_add(offset).cast::<MaybeUninit<u32>>().read()),
                _ => guarded::write_byte(to, from.byte_add(offset).cast::<MaybeUninit<u8>>().read()),
            }
        }
    }
}

/// Returns true if executable memory is mapped at the address.
pub fn is_code(address: *const ()) -> bool {
    page_tables::access_at(VirtAddr(address.addr() as u64)).is_some_and(|mapping| mapping.executable)
}
