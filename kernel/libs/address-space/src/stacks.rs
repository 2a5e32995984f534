//! Where stacks lie: a window of the address space for each node, cut into slots, each a guard page that is never mapped with
//! the room for a stack above it.
use units::{FRAME_SIZE, NodeId, VirtAddr};

/// Windows for stacks, one behind the other, one for each node.
#[derive(Clone, Copy, Debug)]
pub struct StackWindows {
    /// Where the first node's window begins.
    pub base: VirtAddr,
    /// Bytes in a window.
    pub window: u64,
    /// Pages of the largest stack.
    pub pages: u64,
    /// How many windows there are.
    pub nodes: u64,
}

/// One slot's number in its window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(pub u32);

impl StackWindows {
    const fn stride(&self) -> u64 {
        (1 + self.pages) * FRAME_SIZE
    }

    /// Slots in a window.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        (self.window / self.stride()) as u32
    }

    /// The lowest address of the stack in this slot: the one behind its guard page.
    #[must_use]
    pub const fn bottom(&self, node: NodeId, slot: Slot) -> VirtAddr {
        let window = self.base.0 + node.index() as u64 * self.window;
        VirtAddr(window + slot.0 as u64 * self.stride() + FRAME_SIZE)
    }

    /// The slot that an address lies in, and its node; `None` outside of all.
    #[must_use]
    pub fn slot_of(&self, address: VirtAddr) -> Option<(NodeId, Slot)> {
        let (window, offset) = self.split(address)?;
        Some((NodeId::new(window)?, Slot((offset / self.stride()) as u32)))
    }

    /// Whether the address lies in a guard page.
    #[must_use]
    pub fn is_guard(&self, address: VirtAddr) -> bool {
        self.split(address).is_some_and(|(_, offset)| offset % self.stride() < FRAME_SIZE)
    }

    /// The window's number and the offset in it.
    fn split(&self, address: VirtAddr) -> Option<(usize, u64)> {
        let offset = address.0.checked_sub(self.base.0)?;
        let (window, offset) = (offset / self.window, offset % self.window);
        let in_a_slot = window < self.nodes && offset / self.stride() < u64::from(self.slots());
        in_a_slot.then_some((window as usize, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOWS: StackWindows =
        StackWindows { base: VirtAddr(0xffff_d000_0000_0000), window: 64 << 30, pages: 16, nodes: 128 };

    #[test]
    fn a_window_holds_close_to_a_million_stacks_and_none_reaches_into_the_next() {
        assert_eq!(WINDOWS.slots(), 986_895);
        let last = WINDOWS.bottom(NodeId::ZERO, Slot(WINDOWS.slots() - 1));
        assert!(last.0 + 16 * FRAME_SIZE <= WINDOWS.base.0 + WINDOWS.window);
    }

    #[test]
    fn outside_of_the_windows_there_is_no_slot_and_no_guard() {
        let end = VirtAddr(WINDOWS.base.0 + 128 * WINDOWS.window);
        for address in [VirtAddr(WINDOWS.base.0 - 1), end, VirtAddr(0), VirtAddr(u64::MAX)] {
            assert_eq!(WINDOWS.slot_of(address), None);
            assert!(!WINDOWS.is_guard(address));
        }
    }

    proptest! {
        #[test]
        fn every_byte_of_a_stack_leads_to_its_slot_and_the_page_under_it_is_its_guard(
            node in 0_usize..128, slot in 0..WINDOWS.slots(), byte in 0..16 * FRAME_SIZE, below in 1..=FRAME_SIZE,
        ) {
            let (node, slot) = (NodeId::new(node).unwrap(), Slot(slot));
            let bottom = WINDOWS.bottom(node, slot);
            let inside = VirtAddr(bottom.0 + byte);
            prop_assert_eq!(WINDOWS.slot_of(inside), Some((node, slot)));
            prop_assert!(!WINDOWS.is_guard(inside));
            let under = VirtAddr(bottom.0 - below);
            prop_assert_eq!(WINDOWS.slot_of(under), Some((node, slot)));
            prop_assert!(WINDOWS.is_guard(under));
        }
    }
}
