//! Magazines: 256 bytes, aligned to as many, in which blocks of one class are stacked.
//!
//! A magazine is known by the address of the slot where the next block goes. At a multiple of 256 bytes the magazine is full. The
//! slot below the lowest block holds 0, so a magazine is empty if the slot below the next one holds 0.
use crate::class::Class;

/// Slots of a magazine.
const SLOTS: usize = 64;

/// Bytes of a magazine.
const BYTES: usize = SLOTS * size_of::<u32>();

/// A magazine, by where its next block goes. A block is known by the number of its first granule, which is never 0.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Magazine(*mut u32);

// SAFETY: the memory that it points to is used by the holder of the magazine alone.
unsafe impl Send for Magazine {}

#[repr(align(256))]
struct NoMagazine([u32; SLOTS + 1]);

/// Stands where there is no magazine. It is empty and full, so that nothing is taken from it and nothing put into it.
static NO_MAGAZINE: NoMagazine = NoMagazine([0; SLOTS + 1]);

impl Magazine {
    /// The class of the blocks that magazines lie in.
    pub const CLASS: Class = Class::of_constant(BYTES);

    /// Stands where there is no magazine.
    pub const NONE: Self = Self((&raw const NO_MAGAZINE.0[SLOTS]).cast_mut());

    /// Returns true if this is a magazine.
    #[inline(always)]
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// Makes an empty magazine for blocks of this class.
    ///
    /// # Safety
    /// `start` is the start of [`BYTES`] bytes at a multiple of as many, which only the magazine uses.
    pub unsafe fn new(start: *mut u32, class: Class) -> Self {
        // SAFETY: by `# Safety` the slot below the lowest block is the magazine's.
        unsafe {
            let bottom = start.add(Self::bottom(class));
            bottom.write(0);
            Self(bottom.add(1))
        }
    }

    /// Returns a full magazine, by its start.
    ///
    /// # Safety
    /// A full magazine starts there.
    pub unsafe fn full(start: *mut u32) -> Self {
        // SAFETY: by `# Safety` the magazine has that many slots.
        Self(unsafe { start.add(SLOTS) })
    }

    /// Returns the number of the slot below the lowest block.
    const fn bottom(class: Class) -> usize {
        SLOTS - 1 - class.capacity()
    }

    /// Returns where the magazine starts. There is one.
    pub fn start(self) -> *mut u32 {
        // The slot below the next one is always the magazine's.
        self.0.wrapping_sub(1).map_addr(|address| address & !(BYTES - 1))
    }

    /// Returns true if nothing can be put into it.
    #[inline(always)]
    pub fn is_full(self) -> bool {
        self.0.addr().is_multiple_of(BYTES)
    }

    /// Returns true if nothing can be taken from it.
    #[inline(always)]
    pub fn is_empty(self) -> bool {
        self.peek() == 0
    }

    /// Returns the block that was put in last, or 0.
    #[inline(always)]
    pub fn peek(self) -> u32 {
        // SAFETY: by `new` and `NO_MAGAZINE` there is always a slot below the next one, and it has been written.
        unsafe { self.0.sub(1).read() }
    }

    /// Returns the magazine without the block that was put in last. It is not empty.
    #[inline(always)]
    pub fn popped(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// Puts a block in, and returns the magazine with it.
    ///
    /// # Safety
    /// The magazine is not full, and nothing else uses it.
    #[inline(always)]
    pub unsafe fn push(self, granule: u32) -> Self {
        // SAFETY: the magazine is not full by `# Safety`, so the next slot is one of its own.
        unsafe {
            self.0.write(granule);
            Self(self.0.add(1))
        }
    }

    /// Returns the blocks in the magazine.
    ///
    /// # Safety
    /// This is a magazine for this class, and nothing else uses it while the slice lives.
    pub unsafe fn blocks<'a>(self, class: Class) -> &'a mut [u32] {
        // SAFETY: by `# Safety` this is a magazine, whose slots from the lowest to the next one have been written by `push`.
        unsafe {
            let lowest = self.start().add(Self::bottom(class) + 1);
            core::slice::from_raw_parts_mut(lowest, self.0.offset_from_unsigned(lowest))
        }
    }

    /// Returns the free slots of the magazine, lowest first.
    ///
    /// # Safety
    /// This is a magazine, and nothing else uses it while the slice lives.
    pub unsafe fn room<'a>(self) -> &'a mut [u32] {
        if self.is_full() {
            return &mut [];
        }
        // SAFETY: by `# Safety` this is a magazine, so the slots from the next one to the end are its own. A slot is a number,
        // and the memory of a block has always been written before: frames are mapped with contents.
        unsafe {
            core::slice::from_raw_parts_mut(self.0, self.start().add(SLOTS).offset_from_unsigned(self.0))
        }
    }

    /// Returns the magazine with so many of its free slots, which the caller has written, in use.
    pub fn grown(self, count: usize) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// Returns the magazine without this many of its blocks, those that were put in last.
    pub fn shrunk(self, count: usize) -> Self {
        Self(self.0.wrapping_sub(count))
    }

    /// Writes the number of the next magazine in a list into the slot below the lowest block.
    ///
    /// # Safety
    /// This is a magazine for this class, and nothing else uses it.
    pub unsafe fn link(self, class: Class, next: u32) {
        // SAFETY: by `# Safety` the slot is the magazine's.
        unsafe { self.start().add(Self::bottom(class)).write(next) };
    }

    /// Takes the number of the next magazine in a list out of the slot below the lowest block.
    ///
    /// # Safety
    /// [`Magazine::link`] has been called for this class, and nothing else uses the magazine.
    pub unsafe fn unlink(self, class: Class) -> u32 {
        // SAFETY: by `# Safety` the slot is the magazine's and has been written.
        unsafe { self.start().add(Self::bottom(class)).replace(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(256))]
    struct Memory([u32; SLOTS]);

    #[test]
    fn a_magazine_gives_its_blocks_back_in_reverse_order_and_is_full_at_its_capacity() {
        for class in Class::all() {
            let mut memory = Memory([7; SLOTS]);
            // SAFETY: the memory is aligned and large enough, and only the magazine uses it.
            let mut magazine = unsafe { Magazine::new(memory.0.as_mut_ptr(), class) };
            assert!(magazine.is_empty() && !magazine.is_full());
            for block in 1..=class.capacity() as u32 {
                assert!(!magazine.is_full());
                // SAFETY: it is not full, and only this test uses it.
                magazine = unsafe { magazine.push(block) };
                assert_eq!(magazine.start(), memory.0.as_mut_ptr());
            }
            assert!(magazine.is_full());
            for block in (1..=class.capacity() as u32).rev() {
                assert_eq!(magazine.peek(), block);
                magazine = magazine.popped();
            }
            assert!(magazine.is_empty());
        }
    }

    #[test]
    fn no_magazine_is_full_and_empty() {
        assert!(Magazine::NONE.is_full() && Magazine::NONE.is_empty() && !Magazine::NONE.is_some());
    }
}
