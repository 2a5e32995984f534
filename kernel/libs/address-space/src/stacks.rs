//! The addresses of stacks: a window for each node, divided into slots.
//!
//! A slot is a guard area, which is never mapped, and the pages of a stack above it. The guard area is larger than the frame of
//! most functions: one that touches its frame only at the far end still faults, and does not reach the stack below.
use units::{FRAME_SIZE, NodeId, VirtAddr};

/// Adjacent windows for stacks, one for each node.
#[derive(Clone, Copy, Debug)]
pub struct StackWindows {
    /// The start of node 0's window.
    pub base: VirtAddr,
    /// Bytes in a window.
    pub window: u64,
    /// The number of pages of the largest stack.
    pub pages: u64,
    /// The number of pages of a guard area.
    pub guard_pages: u64,
    /// The number of windows.
    pub nodes: u64,
}

/// A slot's number in its window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(pub u32);

impl StackWindows {
    /// Returns the bytes from one slot to the next.
    const fn stride(&self) -> u64 {
        self.guard_bytes() + self.pages * FRAME_SIZE
    }

    /// Returns the bytes of a guard area.
    #[must_use]
    pub const fn guard_bytes(&self) -> u64 {
        self.guard_pages * FRAME_SIZE
    }

    /// Returns the number of slots in a window.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        (self.window / self.stride()) as u32
    }

    /// Returns the lowest address of the stack in this slot, which is the end of the guard area.
    #[must_use]
    pub const fn bottom(&self, node: NodeId, slot: Slot) -> VirtAddr {
        let window = self.base.0 + node.index() as u64 * self.window;
        VirtAddr(window + slot.0 as u64 * self.stride() + self.guard_bytes())
    }

    /// Returns the node and the slot that contain an address, or `None` if no slot contains it.
    #[must_use]
    pub fn slot_of(&self, address: VirtAddr) -> Option<(NodeId, Slot)> {
        let (window, offset) = self.split(address)?;
        Some((NodeId::new(window)?, Slot((offset / self.stride()) as u32)))
    }

    /// Returns true if the address lies in a guard area.
    #[must_use]
    pub fn is_guard(&self, address: VirtAddr) -> bool {
        self.split(address).is_some_and(|(_, offset)| offset % self.stride() < self.guard_bytes())
    }

    /// Returns the number of the window that contains an address, and the offset in it.
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

    const WINDOWS: StackWindows = StackWindows {
        base: VirtAddr(0xffff_d000_0000_0000),
        window: 64 << 30,
        pages: 16,
        guard_pages: 16,
        nodes: 128,
    };

    #[test]
    fn a_window_has_half_a_million_slots_and_no_stack_reaches_the_next_window() {
        assert_eq!(WINDOWS.slots(), 524_288);
        let last = WINDOWS.bottom(NodeId::ZERO, Slot(WINDOWS.slots() - 1));
        assert!(last.0 + 16 * FRAME_SIZE <= WINDOWS.base.0 + WINDOWS.window);
    }

    #[test]
    fn outside_of_the_windows_there_is_no_slot_and_no_guard_area() {
        let end = VirtAddr(WINDOWS.base.0 + 128 * WINDOWS.window);
        for address in [VirtAddr(WINDOWS.base.0 - 1), end, VirtAddr(0), VirtAddr(u64::MAX)] {
            assert_eq!(WINDOWS.slot_of(address), None);
            assert!(!WINDOWS.is_guard(address));
        }
    }

    proptest! {
        #[test]
        fn every_byte_of_a_stack_is_in_its_slot_and_the_64_kib_below_are_its_guard(
            node in 0_usize..128, slot in 0..WINDOWS.slots(), byte in 0..16 * FRAME_SIZE, below in 1..=16 * FRAME_SIZE,
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
