//! Cutting typed values out of the caller's raw memory.
use core::mem::{MaybeUninit, take};
use core::slice;

/// Memory, part of which is cut already.
pub struct Carver<'m> {
    rest: &'m mut [MaybeUninit<u8>],
}

impl<'m> Carver<'m> {
    /// Returns a carver for this memory.
    pub fn new(memory: &'m mut [MaybeUninit<u8>]) -> Self {
        Self { rest: memory }
    }

    /// Returns memory for the next `len` values, aligned, or `None` if less is left.
    pub fn uninit<T>(&mut self, len: usize) -> Option<&'m mut [MaybeUninit<T>]> {
        let skipped = self.rest.as_ptr().align_offset(align_of::<T>());
        let end = len.checked_mul(size_of::<T>())?.checked_add(skipped)?;
        if end > self.rest.len() {
            return None;
        }
        let (cut, rest) = take(&mut self.rest).split_at_mut(end);
        self.rest = rest;
        let first = cut[skipped..].as_mut_ptr().cast();
        // SAFETY: `first` is aligned for `T`, and `len * size_of::<T>()` bytes of `cut` follow it. `cut` is borrowed for 'm, and
        // `split_at_mut` has separated it from the rest. Any bytes are valid for `MaybeUninit`.
        Some(unsafe { slice::from_raw_parts_mut(first, len) })
    }

    /// Returns memory for the next `len` values, as [`Carver::uninit`] does, each set to `value`.
    pub fn filled<T: Copy>(&mut self, len: usize, value: T) -> Option<&'m mut [T]> {
        let uninit = self.uninit(len)?;
        // The compiler turns a fill of a slice into wide stores.
        uninit.fill(MaybeUninit::new(value));
        // SAFETY: the line above has written each element.
        Some(unsafe { uninit.assume_init_mut() })
    }
}

/// Writes the values, as many as fit, at the start of the memory, and returns that part of it.
pub fn fill<T>(memory: &mut [MaybeUninit<T>], values: impl Iterator<Item = T>) -> &mut [T] {
    let mut written = 0;
    for (slot, value) in memory.iter_mut().zip(values) {
        slot.write(value);
        written += 1;
    }
    // SAFETY: the loop has written each of these elements.
    unsafe { memory[..written].assume_init_mut() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_aligned_disjoint_and_end_with_the_memory() {
        #[repr(align(64))]
        struct Memory([MaybeUninit<u8>; 64]);
        let mut memory = Memory([MaybeUninit::uninit(); 64]);
        let mut carver = Carver::new(&mut memory.0);
        let bytes = carver.filled(1, 7u8).unwrap();
        let words = carver.filled(7, 9u64).unwrap();
        assert!(carver.filled(1, 1u8).is_none());
        words[0] = 1;
        assert_eq!((bytes[0], words[0], words[6]), (7, 1, 9));
        assert_eq!(words.as_ptr().addr() % 8, 0);
    }

    #[test]
    fn a_length_beyond_all_memory_is_refused() {
        assert!(Carver::new(&mut []).uninit::<u64>(usize::MAX).is_none());
    }
}
