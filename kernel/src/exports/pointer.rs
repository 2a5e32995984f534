//! Pointers that a driver passes: looked up in the page tables before they are followed, so that a wrong one is refused and
//! does not fault the kernel.
use crate::memory::page_tables;
use arrayvec::{ArrayString, ArrayVec};
use core::mem::{align_of, size_of};
use units::{FRAME_SIZE, VirtAddr};

/// The value at `pointer`; `None` where that is null, misaligned or not mapped.
pub fn read<T: Copy>(pointer: *const T) -> Option<T> {
    check(pointer, size_of::<T>(), false)?;
    // SAFETY: it is aligned and all of it is mapped. `T` is one of the ABI's structures of integers and pointers, for which
    // all bytes are valid.
    Some(unsafe { pointer.read() })
}

/// Writes the value to `pointer`; `None`, and nothing is written, where that is null, misaligned, not mapped or read-only.
pub fn write<T>(pointer: *mut T, value: T) -> Option<()> {
    check(pointer, size_of::<T>(), true)?;
    // SAFETY: it is aligned, mapped and writable; that it is the driver's to write is the driver's word.
    unsafe { pointer.write(value) };
    Some(())
}

/// A copy of the `length` bytes at `pointer`, of the first `N` if they are more; `None` where that is null or not all
/// mapped.
pub fn copy<const N: usize>(pointer: *const u8, length: usize) -> Option<ArrayVec<u8, N>> {
    let length = length.min(N);
    check(pointer, length, false)?;
    let mut copy = ArrayVec::new();
    // SAFETY: all of it is mapped, there is room for it, and then so many bytes are written. A copy does not change when
    // another thread of the driver writes to what was copied.
    unsafe {
        pointer.copy_to(copy.as_mut_ptr(), length);
        copy.set_len(length);
    }
    Some(copy)
}

/// The elements at `pointer`; `None` where that is null, misaligned or not all mapped, or for writing read-only.
pub fn check_array<T>(pointer: *const T, length: usize, write: bool) -> Option<()> {
    check(pointer, length.checked_mul(size_of::<T>())?, write)
}

/// A copy of the text at `pointer`, up to its zero byte or the first `N` bytes of it; what is not UTF-8 ends it. `None` where
/// it is null or not mapped.
pub fn text<const N: usize>(pointer: *const u8) -> Option<ArrayString<N>> {
    const { assert!(N < FRAME_SIZE as usize) };
    // What lies behind the zero byte need not be mapped: the page's end first.
    let in_page = (FRAME_SIZE - pointer.addr() as u64 % FRAME_SIZE) as usize;
    let mut bytes = copy::<N>(pointer, in_page)?;
    if bytes.len() < N && !bytes.contains(&0) {
        bytes.extend(copy::<N>(pointer.wrapping_add(in_page), N - in_page)?);
    }
    let text = bytes.split(|&byte| byte == 0).next()?;
    let valid = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    ArrayString::from(valid).ok()
}

/// Whether code may be called at `pointer`.
pub fn is_code(pointer: *const ()) -> bool {
    page_tables::access_at(VirtAddr(pointer.addr() as u64)).is_some_and(|mapping| mapping.executable)
}

/// A structure that begins with its own size, as the driver set it: one that is longer than the kernel knows is taken if its
/// tail is zero.
pub fn read_sized<T: Copy>(pointer: *const T) -> Option<T> {
    check_sized(pointer, false)?;
    read(pointer)
}

/// Whether a structure that begins with its own size may be written.
pub fn check_sized<T>(pointer: *const T, write: bool) -> Option<()> {
    let size = read(pointer.cast::<u32>())? as usize;
    if size < size_of::<T>() {
        return None;
    }
    check(pointer, size, write)?;
    let tail = size_of::<T>()..size;
    // SAFETY: all of it is mapped.
    let byte = |offset| unsafe { pointer.cast::<u8>().wrapping_add(offset).read() };
    tail.into_iter().all(|offset| byte(offset) == 0).then_some(())
}

/// Longest stretch of memory that a driver may point at in one call.
const LONGEST: usize = 1 << 20;

fn check<T>(pointer: *const T, length: usize, write: bool) -> Option<()> {
    let start = pointer.addr() as u64;
    if pointer.is_null() || !start.is_multiple_of(align_of::<T>() as u64) || length > LONGEST {
        return None;
    }
    // Of nothing, too, the place must be mapped.
    let end = start.checked_add(length.max(1) as u64)?;
    let mut page = start - start % FRAME_SIZE;
    while page < end {
        let mapping = page_tables::access_at(VirtAddr(page))?;
        if write && !mapping.writable {
            return None;
        }
        page = page.checked_add(FRAME_SIZE)?;
    }
    Some(())
}
