//! Pointers that no function accepts.
use crate::random::Random;
use driver_kit::abi;

/// A constant: it can be read and not written.
static CONSTANT: [u64; 32] = [0; 32];

fn at(address: usize) -> *mut u8 {
    core::ptr::without_provenance_mut(address)
}

/// Returns a pointer at which nothing can be read: null, at nothing, or no canonical address.
pub fn unmapped<T>(random: &mut Random) -> *mut T {
    // Behind the highest page of the drivers' images, and the map of physical memory.
    let nowhere: [usize; 6] =
        [0, 8, 4096, 0x8000_0000_0000_0000, 0xffff_dfff_ffff_f000, 0xffff_bfff_ffff_f000];
    at(random.pick(&nowhere)).cast()
}

/// Returns a pointer at which nothing of type `T` can be written: as above, in a constant, in code, or misaligned.
pub fn unwritable<T>(random: &mut Random, object: &mut T) -> *mut T {
    match random.below(4) {
        0 => core::ptr::from_ref(&CONSTANT).cast_mut().cast(),
        1 => at((abi::Kernel_GetCpuCount as *const () as usize) & !63).cast(),
        2 => core::ptr::from_mut(object).wrapping_byte_add(1),
        _ => unmapped(random),
    }
}

/// Returns a pointer at which nothing of type `T` can be read: unmapped or misaligned.
pub fn unreadable<T>(random: &mut Random, object: &T) -> *const T {
    match random.below(3) {
        0 => core::ptr::from_ref(object).wrapping_byte_add(1),
        _ => unmapped(random),
    }
}

/// Returns a pointer that is no code: as above, or data.
pub fn no_code(random: &mut Random) -> *const () {
    match random.below(2) {
        0 => core::ptr::from_ref(&CONSTANT).cast(),
        _ => unmapped(random),
    }
}
