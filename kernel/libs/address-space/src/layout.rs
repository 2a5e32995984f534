//! The addresses of the parts of the kernel's half of the address space.
//!
//! Each part is far larger than its content, so that no part grows into the next one.
use crate::StackWindows;
use units::{MAX_NODES, VirtAddr};

/// The map of all physical memory, byte for byte, with room for 64 TiB.
pub const PHYSICAL_MEMORY: VirtAddr = VirtAddr(0xffff_8000_0000_0000);
/// The first address after the map of physical memory.
pub const PHYSICAL_MEMORY_END: VirtAddr = VirtAddr(0xffff_c000_0000_0000);
/// The heaps, with a window of [`HEAP_WINDOW`] bytes for each node.
pub const HEAPS: VirtAddr = VirtAddr(0xffff_c000_0000_0000);
/// Bytes of address space for the heap of one node.
pub const HEAP_WINDOW: u64 = 64 << 30;
/// What the heaps know of their blocks: [`HEAP_METADATA_WINDOW`] bytes for each node.
pub const HEAP_METADATA: VirtAddr = VirtAddr(0xffff_c800_0000_0000);
/// Bytes of address space for the metadata of one node's heap.
pub const HEAP_METADATA_WINDOW: u64 = 4 << 30;
/// The memory of which each CPU has a part, up to [`PER_CPU_END`].
pub const PER_CPU: VirtAddr = VirtAddr(0xffff_cc00_0000_0000);
/// The first address after the memory of which each CPU has a part.
pub const PER_CPU_END: VirtAddr = VirtAddr(0xffff_d000_0000_0000);
/// The stacks, with a window for each node, so that the page tables of a stack can be on its node.
pub const STACKS: StackWindows = StackWindows {
    base: VirtAddr(0xffff_d000_0000_0000),
    window: 64 << 30,
    pages: 16,
    guard_pages: 16,
    nodes: MAX_NODES as u64,
};
/// The drivers' images.
pub const DRIVERS: VirtAddr = VirtAddr(0xffff_d800_0000_0000);
/// The boot loader's mappings: its stack, the boot information, the ramdisk. Empty after the kernel has removed them.
pub const BOOT_LOADER: VirtAddr = VirtAddr(0xffff_e000_0000_0000);
/// The last address of the boot loader's part.
pub const BOOT_LOADER_LAST: VirtAddr = VirtAddr(0xffff_efff_ffff_ffff);
/// The kernel's image, linked at this address (`.cargo/config.toml`).
pub const KERNEL_IMAGE: VirtAddr = VirtAddr(0xffff_ffff_8000_0000);
/// The registers of devices.
pub const DEVICES: VirtAddr = VirtAddr(0xffff_f000_0000_0000);
/// The registers of the running CPU's local APIC.
pub const LOCAL_APIC: VirtAddr = DEVICES;
/// The registers of all other devices that the kernel uses, up to [`DRIVER_DEVICES`].
pub const OTHER_DEVICES: VirtAddr = VirtAddr(0xffff_f000_0000_1000);
/// The registers and memory of devices that drivers have mapped, up to [`DEVICES_END`].
pub const DRIVER_DEVICES: VirtAddr = VirtAddr(0xffff_f400_0000_0000);
/// The first address after the registers of devices.
pub const DEVICES_END: VirtAddr = SELFTEST;
/// The pages that self-tests map and unmap.
pub const SELFTEST: VirtAddr = VirtAddr(0xffff_f800_0000_0000);
