//! What lies where in the kernel's half of the address space.
//!
//! Each part is far larger than its contents will ever be, so that none grows into the next.
use crate::StackWindows;
use units::{MAX_NODES, VirtAddr};

/// All of physical memory, byte for byte; 64 TiB of room.
pub const PHYSICAL_MEMORY: VirtAddr = VirtAddr(0xffff_8000_0000_0000);
/// The first address behind [`PHYSICAL_MEMORY`]'s room.
pub const PHYSICAL_MEMORY_END: VirtAddr = VirtAddr(0xffff_c000_0000_0000);
/// The heaps: a window of [`HEAP_WINDOW`] bytes for each node.
pub const HEAPS: VirtAddr = VirtAddr(0xffff_c000_0000_0000);
/// Bytes of address space for one node's heap.
pub const HEAP_WINDOW: u64 = 64 << 30;
/// The stacks: a window for each node, so that the page tables that lead to a stack are on its node.
pub const STACKS: StackWindows = StackWindows {
    base: VirtAddr(0xffff_d000_0000_0000),
    window: 64 << 30,
    pages: 16,
    nodes: MAX_NODES as u64,
};
/// The drivers' images.
pub const DRIVERS: VirtAddr = VirtAddr(0xffff_d800_0000_0000);
/// What the boot loader maps where it likes: its stack, the boot information, the ramdisk. Empty once the kernel has left them.
pub const BOOT_LOADER: VirtAddr = VirtAddr(0xffff_e000_0000_0000);
/// The last address of the boot loader's part.
pub const BOOT_LOADER_LAST: VirtAddr = VirtAddr(0xffff_efff_ffff_ffff);
/// The registers of devices.
pub const DEVICES: VirtAddr = VirtAddr(0xffff_f000_0000_0000);
/// Those of the running CPU's local APIC.
pub const LOCAL_APIC: VirtAddr = DEVICES;
/// Pages that the self-test maps and unmaps.
pub const SELFTEST: VirtAddr = VirtAddr(0xffff_f800_0000_0000);
