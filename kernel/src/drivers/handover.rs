//! Hands a value to a new thread, whose function takes one pointer.
use alloc::vec::Vec;

/// Moves a value to the heap, for [`take`]. Returns `None`, and drops the value, if there is no memory.
pub fn hand_over<T>(value: T) -> Option<*mut T> {
    let mut values = Vec::new();
    values.try_reserve_exact(1).ok()?;
    values.push(value);
    // A vector for one element, whether the heap has given it more room or not.
    Some(values.leak().as_mut_ptr())
}

/// Takes the value back, and frees its memory.
///
/// # Safety
/// [`hand_over`] has returned the pointer, and it is not used again.
pub unsafe fn take<T>(value: *mut T) -> T {
    // SAFETY: by `# Safety` the pointer is that of a leaked vector with one element. `try_reserve_exact` has allocated room for exactly
    // one, and nothing else has the vector.
    let mut values = unsafe { Vec::from_raw_parts(value, 1, 1) };
    values.remove(0)
}
