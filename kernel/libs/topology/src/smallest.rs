//! The smallest N distinct items of any number of items.
use arrayvec::ArrayVec;

/// The smallest `N` of the distinct items offered, in ascending order.
///
/// The result does not depend on the order of the offers. An offer costs a binary search and a move of the greater items.
pub struct Smallest<T, const N: usize>(ArrayVec<T, N>);

/// An item that is not among the smallest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeftOut<T> {
    /// An equal item is already in the list.
    Duplicate(T),
    /// The list is full of smaller items.
    NoRoom(T),
}

impl<T: Ord + Copy, const N: usize> Smallest<T, N> {
    pub const fn new() -> Self {
        Self(ArrayVec::new_const())
    }

    /// Adds an item. Returns the item that does not stay, if there is one: the new item or the largest one.
    pub fn offer(&mut self, item: T) -> Option<LeftOut<T>> {
        let Err(place) = self.0.binary_search(&item) else { return Some(LeftOut::Duplicate(item)) };
        if place == N {
            return Some(LeftOut::NoRoom(item));
        }
        let largest = if self.0.is_full() { self.0.pop() } else { None };
        self.0.insert(place, item);
        largest.map(LeftOut::NoRoom)
    }

    /// Returns true if the item may have been offered: it is in the list, or the list is full of smaller items.
    pub fn may_have(&self, item: T) -> bool {
        let forgotten = self.0.is_full() && self.0.last().is_some_and(|&last| last < item);
        forgotten || self.0.binary_search(&item).is_ok()
    }

    /// Returns the items in ascending order.
    pub fn items(&self) -> &[T] {
        &self.0
    }

    /// Returns the items in ascending order, for a caller that removes some in place. A move would copy the whole array.
    pub fn items_mut(&mut self) -> &mut ArrayVec<T, N> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn the_smallest_items_stay_and_the_others_are_returned(items in proptest::collection::vec(0u32..50, 0..40)) {
            let mut smallest = Smallest::<u32, 7>::new();
            let (mut duplicates, mut without_room) = (Vec::new(), Vec::new());
            for &item in &items {
                match smallest.offer(item) {
                    None => {}
                    Some(LeftOut::Duplicate(item)) => duplicates.push(item),
                    Some(LeftOut::NoRoom(item)) => without_room.push(item),
                }
            }
            let mut distinct = items.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let kept = &distinct[..distinct.len().min(7)];
            prop_assert_eq!(smallest.items(), kept);
            let is_full = kept.len() == 7;
            for item in 0..50 {
                let beyond = is_full && item > kept[6];
                prop_assert_eq!(smallest.may_have(item), items.contains(&item) || beyond, "{}", item);
            }
            prop_assert_eq!(kept.len() + duplicates.len() + without_room.len(), items.len());
            prop_assert!(without_room.iter().all(|item| distinct[kept.len()..].contains(item)));
            prop_assert!(duplicates.iter().all(|item| items.iter().filter(|&other| other == item).count() > 1));
        }
    }
}
