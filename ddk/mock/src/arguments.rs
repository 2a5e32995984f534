//! The checks of arguments: pointers, structures and names that a driver passes.
use crate::regions::{is_readable, is_writable};
use std::ffi::c_char;

/// The longest tail of a structure that is looked at.
const LONGEST_TAIL: usize = 4096;

fn is_sound<T>(pointer: *const T) -> bool {
    !pointer.is_null() && pointer.is_aligned()
}

/// Reads a value. Returns `None` if the pointer is null, misaligned or not mapped.
pub fn read<T: Copy>(pointer: *const T) -> Option<T> {
    if !is_sound(pointer) || !is_readable(pointer.expose_provenance(), size_of::<T>()) {
        return None;
    }
    // SAFETY: the memory is there, and aligned. The ABI's structures consist of integers, pointers and optional functions, for which all
    // values are valid.
    Some(unsafe { pointer.read() })
}

/// Reads values. Returns `None` as [`read`] does.
pub fn read_array<T: Copy>(pointer: *const T, count: usize) -> Option<Vec<T>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let bytes = size_of::<T>().checked_mul(count)?;
    if !is_sound(pointer) || !is_readable(pointer.expose_provenance(), bytes) {
        return None;
    }
    // SAFETY: as for `read`, for each element.
    Some((0..count).map(|index| unsafe { pointer.add(index).read() }).collect())
}

/// Returns true if the driver may have a value written there.
pub fn can_write<T>(pointer: *mut T, count: usize) -> bool {
    let bytes = size_of::<T>().saturating_mul(count);
    is_sound(pointer) && is_writable(pointer.expose_provenance(), bytes)
}

/// Returns true if a structure that begins with `Size` is there, is as long as the kernel's, and has zeros behind it.
fn has_size<T>(pointer: *const T) -> bool {
    let Some(size) = read(pointer.cast::<u32>()) else { return false };
    let (size, known) = (size as usize, size_of::<T>());
    if size < known || !pointer.is_aligned() {
        return false;
    }
    let tail = (size - known).min(LONGEST_TAIL);
    read_array(pointer.wrapping_add(1).cast::<u8>(), tail)
        .is_some_and(|tail| tail.iter().all(|byte| *byte == 0))
}

/// Reads a structure that begins with `Size`. Returns `None` if it is not there, too short, or has a tail that is not zero.
pub fn read_sized<T: Copy>(pointer: *const T) -> Option<T> {
    if has_size(pointer) { read(pointer) } else { None }
}

/// Returns true if a structure that begins with `Size` is there, is long enough, and may be written.
pub fn can_write_sized<T>(pointer: *mut T) -> bool {
    has_size(pointer) && can_write(pointer, 1)
}

/// Reads a name that ends with a zero byte, of at most `most` bytes. Returns `None` if it is not mapped; a longer one is cut.
pub fn read_name(pointer: *const c_char, most: usize) -> Option<String> {
    let mut bytes = Vec::new();
    for index in 0..most {
        let byte = read(pointer.wrapping_add(index).cast::<u8>())?;
        if byte == 0 {
            break;
        }
        bytes.push(byte);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a name into an array of characters, with a zero byte at its end.
pub fn put_name(name: &str, to: &mut [c_char]) {
    let most = to.len() - 1;
    to.fill(0);
    to.iter_mut().take(most).zip(name.bytes()).for_each(|(to, byte)| *to = byte as c_char);
}
