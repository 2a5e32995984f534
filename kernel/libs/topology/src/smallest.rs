//! The smallest N of any number of items, each once, whatever order they come in.
use arrayvec::ArrayVec;

/// Holds the smallest `N` of the distinct items offered, ascending. An item costs a binary search, and a move of those above
/// it; which items stay does not depend on the order they were offered in.
pub struct Smallest<T, const N: usize>(ArrayVec<T, N>);

/// An item that is not among the smallest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeftOut<T> {
    /// Its equal is there.
    Duplicate(T),
    /// There are as many smaller ones as there is room for.
    NoRoom(T),
}

impl<T: Ord + Copy, const N: usize> Smallest<T, N> {
    pub const fn new() -> Self {
        Self(ArrayVec::new_const())
    }

    /// Takes an item in; gives back the one that is left out for it, if there is one.
    pub fn offer(&mut self, item: T) -> Option<LeftOut<T>> {
        let Err(place) = self.0.binary_search(&item) else { return Some(LeftOut::Duplicate(item)) };
        if place == N {
            return Some(LeftOut::NoRoom(item));
        }
        let largest = if self.0.is_full() { self.0.pop() } else { None };
        self.0.insert(place, item);
        largest.map(LeftOut::NoRoom)
    }

    /// Whether the item was offered for all that is known: what there was no room for may have been.
    pub fn may_have(&self, item: T) -> bool {
        let forgotten = self.0.is_full() && self.0.last().is_some_and(|&last| last < item);
        forgotten || self.0.binary_search(&item).is_ok()
    }

    /// The items in ascending order.
    pub fn items(&self) -> &[T] {
        &self.0
    }

    /// The same, for who takes some out. In place: moving the array would copy all of it.
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
        fn the_smallest_stay_and_each_other_is_given_back(items in proptest::collection::vec(0u32..50, 0..40)) {
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
