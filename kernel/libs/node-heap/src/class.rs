//! Size classes: multiples of 32 bytes that fill a frame well.
use crate::{FRAME, FRAME_GRANULES, GRANULE};
use core::num::NonZero;

/// The number of classes. They are numbered from 1; 0 stands for no block.
pub(crate) const CLASSES: usize = 20;

/// Bytes of a block of each class.
pub(crate) const SIZES: [u16; CLASSES] =
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 672, 800, 1024, 1344, 2048, 4096];

/// Bytes of the largest block that comes from a slab. Larger ones are the page allocator's.
pub const LARGEST_BLOCK: usize = FRAME;

/// The class of each number of granules.
static CLASS_OF: [u8; FRAME_GRANULES + 1] = {
    // A block of no bytes is one of the smallest.
    let mut table = [1; FRAME_GRANULES + 1];
    let mut granules = 1;
    while granules < table.len() {
        let mut class = 1;
        while (SIZES[class] as usize) < granules * GRANULE {
            class += 1;
        }
        table[granules] = class as u8;
        granules += 1;
    }
    table
};

/// For each class, the granules of a slab at which its blocks begin.
static STARTS: [[u64; 2]; CLASSES] = {
    let mut table = [[0; 2]; CLASSES];
    let mut class = 1;
    while class < CLASSES {
        let mut block = 0;
        while (block + 1) * SIZES[class] as usize <= FRAME {
            let granule = block * SIZES[class] as usize / GRANULE;
            table[class][granule / 64] |= 1 << (granule % 64);
            block += 1;
        }
        class += 1;
    }
    table
};

/// A size class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Class(NonZero<u8>);

impl Class {
    /// Returns the class of blocks of at least `size` bytes at multiples of `alignment`, or `None` if no slab has such blocks.
    /// `alignment` is a power of two.
    #[inline(always)]
    pub fn of(size: usize, alignment: usize) -> Option<Self> {
        if alignment > GRANULE { Self::of_aligned(size, alignment) } else { Self::of_size(size) }
    }

    /// Returns the class of blocks of at least `size` bytes, at multiples of [`GRANULE`].
    #[inline(always)]
    pub fn of_size(size: usize) -> Option<Self> {
        if size > LARGEST_BLOCK {
            return None;
        }
        // SAFETY: the line above has compared `size` with the largest block, whose granules are the table's last index.
        NonZero::new(unsafe { *CLASS_OF.get_unchecked(size.div_ceil(GRANULE)) }).map(Self)
    }

    /// Searches a class whose size is a multiple of an alignment above a granule: slabs are aligned to a frame.
    #[cold]
    fn of_aligned(size: usize, alignment: usize) -> Option<Self> {
        let fits = |bytes: u16| usize::from(bytes) >= size && usize::from(bytes).is_multiple_of(alignment);
        Self::all().find(|class| fits(SIZES[class.index()]))
    }

    /// Returns the class of a size of 1 to [`LARGEST_BLOCK`] bytes.
    ///
    /// # Panics
    /// At compile time, if there is no such class.
    pub(crate) const fn of_constant(size: usize) -> Self {
        match NonZero::new(CLASS_OF[size.div_ceil(GRANULE)]) {
            Some(class) => Self(class),
            None => panic!("no block has 0 bytes"),
        }
    }

    /// Returns the class of a number from 1 to [`CLASSES`] - 1.
    pub(crate) fn from_index(index: usize) -> Option<Self> {
        if index < CLASSES { NonZero::new(index as u8).map(Self) } else { None }
    }

    /// Returns all classes, by ascending size.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..CLASSES).filter_map(Self::from_index)
    }

    /// Returns the bytes of a block.
    #[must_use]
    pub fn size(self) -> usize {
        SIZES[self.index()].into()
    }

    #[inline(always)]
    pub(crate) const fn index(self) -> usize {
        self.0.get() as usize
    }

    /// Returns the granules of a slab at which blocks begin: bit n of word n / 64.
    pub(crate) fn starts(self) -> [u64; 2] {
        STARTS[self.index()]
    }

    /// Returns the number of blocks of a slab.
    pub(crate) fn blocks(self) -> u16 {
        let [low, high] = self.starts();
        (low.count_ones() + high.count_ones()) as u16
    }

    /// Returns how many blocks a magazine holds. It bounds the bytes that a CPU keeps from others.
    pub(crate) const fn capacity(self) -> usize {
        match SIZES[self.index()] {
            0..=256 => 63,
            257..=512 => 31,
            513..=1024 => 15,
            _ => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_a_size_is_the_smallest_that_fits() {
        for size in 0..=LARGEST_BLOCK {
            let class = Class::of(size, 1).unwrap();
            assert!(class.size() >= size);
            let smaller = Class::from_index(class.index() - 1);
            assert!(smaller.is_none_or(|smaller| smaller.size() < size), "{size}");
        }
        assert_eq!(Class::of(LARGEST_BLOCK + 1, 1), None);
        assert_eq!(Class::of(usize::MAX, 1), None);
    }

    #[test]
    fn blocks_of_an_aligned_class_begin_at_multiples_of_the_alignment() {
        for shift in 0..=12 {
            let alignment = 1 << shift;
            for size in [1, 33, 64, 100, 1000, 2049, 4096] {
                let class = Class::of(size, alignment).unwrap();
                assert!(class.size() >= size);
                assert!(alignment <= GRANULE || class.size().is_multiple_of(alignment));
            }
        }
        assert_eq!(Class::of(1, 2 * FRAME), None);
    }

    #[test]
    fn a_slab_wastes_little_and_its_blocks_do_not_overlap() {
        for class in Class::all() {
            let blocks = usize::from(class.blocks());
            assert!(blocks * class.size() <= FRAME);
            assert!(FRAME - blocks * class.size() < FRAME / 10, "{class:?}");
        }
    }
}
