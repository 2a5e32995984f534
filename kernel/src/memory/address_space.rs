//! The address space's parts: what lies where in the kernel's half.
//!
//! Each part is far larger than anything that is put there, so that none grows into the next.
use units::VirtAddr;

/// All of physical memory, byte for byte; 64 TiB of room.
pub const PHYSICAL_MEMORY: VirtAddr = VirtAddr(0xffff_8000_0000_0000);
/// The heaps: a window of [`HEAP_WINDOW`] bytes for each node.
pub const HEAPS: VirtAddr = VirtAddr(0xffff_c000_0000_0000);
/// Bytes of address space for one node's heap.
pub const HEAP_WINDOW: u64 = 64 << 30;
/// The stacks, each above a page that is never mapped.
pub const STACKS: VirtAddr = VirtAddr(0xffff_d000_0000_0000);
/// The drivers' images.
pub const DRIVERS: VirtAddr = VirtAddr(0xffff_d800_0000_0000);
/// What the boot loader maps where it likes: its stack, the boot information, the ramdisk.
pub const BOOT_LOADER: VirtAddr = VirtAddr(0xffff_e000_0000_0000);
/// The last address of the boot loader's part.
pub const BOOT_LOADER_LAST: VirtAddr = VirtAddr(0xffff_efff_ffff_ffff);
