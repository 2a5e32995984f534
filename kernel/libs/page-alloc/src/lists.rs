//! The lists of a node's blocks, one for each largest free order, and the mask of lists that are not empty.
use crate::blocks::{BlockIndex, Blocks, Link};
use crate::{MAX_ORDER, ORDERS};

/// Heads of doubly linked lists through the descriptors. Lists 0 to 8 hold split blocks, 9 to 18 free runs of blocks.
pub struct Lists {
    heads: [Option<BlockIndex>; ORDERS],
    non_empty: u32,
}

impl Lists {
    pub const EMPTY: Self = Self { heads: [None; ORDERS], non_empty: 0 };

    /// Returns a block with a free chunk of at least this order, from the list of the smallest such order.
    pub fn first_fit(&self, order: u8) -> Option<BlockIndex> {
        if order > MAX_ORDER {
            return None;
        }
        let fitting = self.non_empty >> order;
        if fitting == 0 {
            return None;
        }
        self.heads[usize::from(order) + fitting.trailing_zeros() as usize]
    }

    /// Returns the largest order with a free chunk.
    pub fn largest_order(&self) -> Option<u8> {
        self.non_empty.checked_ilog2().map(|order| order as u8)
    }

    /// Returns the first block of a list.
    pub fn head(&self, order: u8) -> Option<BlockIndex> {
        self.heads[usize::from(order)]
    }

    /// Inserts a block at the front of a list. The block is on no list.
    pub fn insert(&mut self, blocks: &mut Blocks<'_>, order: u8, index: BlockIndex) {
        let next = self.heads[usize::from(order)].replace(index);
        if let Some(link) = blocks.link_mut(index) {
            *link = Link { next, prev: None };
        }
        if let Some(link) = next.and_then(|next| blocks.link_mut(next)) {
            link.prev = Some(index);
        }
        self.non_empty |= 1 << order;
    }

    /// Removes a block from its list.
    pub fn remove(&mut self, blocks: &mut Blocks<'_>, order: u8, index: BlockIndex) {
        let Some(&mut Link { next, prev }) = blocks.link_mut(index) else { return };
        match prev {
            Some(prev) => {
                if let Some(link) = blocks.link_mut(prev) {
                    link.next = next;
                }
            }
            None => {
                self.heads[usize::from(order)] = next;
                if next.is_none() {
                    self.non_empty &= !(1 << order);
                }
            }
        }
        if let Some(link) = next.and_then(|next| blocks.link_mut(next)) {
            link.prev = prev;
        }
    }
}

#[cfg(test)]
mod tests {
    use core::mem::MaybeUninit;

    use super::*;
    use crate::blocks::Block;

    #[test]
    fn the_smallest_order_that_fits_is_found_until_its_list_is_empty() {
        let mut descriptors = [Block::Quiet; 4];
        let mut maps = [const { MaybeUninit::uninit() }; 4];
        let mut initialised = [0];
        let mut blocks = Blocks::new(&mut descriptors, &mut maps, &mut initialised);
        let mut lists = Lists::EMPTY;
        let index = BlockIndex::new;
        for (slot, order) in [(0, 10), (1, 10), (2, 10), (3, 12)] {
            blocks.set_free(slot, slot as u64, order);
            lists.insert(&mut blocks, order, index(slot));
        }
        assert_eq!(lists.first_fit(11), Some(index(3)));
        assert_eq!(lists.first_fit(0), Some(index(2)));
        lists.remove(&mut blocks, 10, index(1));
        lists.remove(&mut blocks, 10, index(2));
        assert_eq!(lists.first_fit(0), Some(index(0)));
        lists.remove(&mut blocks, 10, index(0));
        assert_eq!(lists.first_fit(0), Some(index(3)));
        assert_eq!(lists.largest_order(), Some(12));
        lists.remove(&mut blocks, 12, index(3));
        assert_eq!((lists.first_fit(0), lists.largest_order()), (None, None));
        assert_eq!(lists.first_fit(64), None);
    }
}
