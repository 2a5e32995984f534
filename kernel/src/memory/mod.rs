//! Memory: which RAM there is, which code may use it, and where it is mapped.

pub mod address_space;
pub mod allocate;
mod boot_regions;
pub mod cache_drain;
pub mod cpu_memory;
pub mod device_memory;
mod drain_wait;
pub mod driver_pages;
pub mod early_heap;
pub mod fail_allocation;
mod frame_chain;
pub mod frames;
pub mod heap;
mod heap_drain;
mod heap_lock;
mod heap_nodes;
mod heap_trim;
mod heap_windows;
pub mod hotplug;
mod large_blocks;
pub mod memory_context;
mod packed_policy;
pub mod page_counts;
pub mod page_report;
pub mod page_setup;
pub mod page_tables;
pub mod page_uses;
pub mod policy_guard;
pub mod protection;
pub mod stack;
pub mod stack_reserve;

pub use boot_regions::read_memory_map;
