//! The smallest N of any number of items, whatever order they come in.
use arrayvec::ArrayVec;

/// Holds the smallest `N` of the items offered. A heap once it is full, so each further item costs log N; which items
/// stay does not depend on the order they were offered in.
pub struct Smallest<T, const N: usize> {
    items: ArrayVec<T, N>,
    is_heap: bool,
}

impl<T: Ord + Copy, const N: usize> Smallest<T, N> {
    pub const fn new() -> Self {
        Self { items: ArrayVec::new_const(), is_heap: false }
    }

    /// Takes an item in; gives back the one for which there is no room, if there is one.
    pub fn offer(&mut self, item: T) -> Option<T> {
        if self.items.try_push(item).is_ok() {
            return None;
        }
        if !self.is_heap {
            (0..N / 2).rev().for_each(|index| self.sift_down(index));
            self.is_heap = true;
        }
        match self.items.first_mut() {
            Some(largest) if item < *largest => {
                let left_out = core::mem::replace(largest, item);
                self.sift_down(0);
                Some(left_out)
            }
            _ => Some(item),
        }
    }

    /// The items in ascending order, in place: moving the array would copy all of it.
    pub fn sort(&mut self) -> &mut ArrayVec<T, N> {
        self.items.sort_unstable();
        self.is_heap = false;
        &mut self.items
    }

    /// Moves the item at `index` down until neither of its children is larger.
    fn sift_down(&mut self, mut index: usize) {
        loop {
            let children = 2 * index + 1..(2 * index + 3).min(self.items.len());
            match children.max_by_key(|&child| self.items[child]) {
                Some(child) if self.items[child] > self.items[index] => {
                    self.items.swap(child, index);
                    index = child;
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn the_smallest_stay_and_each_other_is_given_back(items in proptest::collection::vec(0u32..50, 0..40)) {
            let mut smallest = Smallest::<u32, 7>::new();
            let mut left_out: Vec<u32> = items.iter().filter_map(|&item| smallest.offer(item)).collect();
            let mut all = items;
            all.sort_unstable();
            prop_assert_eq!(smallest.sort().as_slice(), &all[..all.len().min(7)]);
            left_out.sort_unstable();
            prop_assert_eq!(left_out, &all[all.len().min(7)..]);
        }
    }
}
