//! The driver kit for safe Rust: a driver that is built on this crate needs no `unsafe`, and forbids it.
//!
//! A driver is a `staticlib` with `#![no_std]` and `#![forbid(unsafe_code)]`. The macro [`driver!`] defines the symbols that the kernel looks
//! for, among them the table of devices, and a panic handler: a panic fails the driver, and not the machine. A driver of devices implements
//! [`driver::DeviceDriver`]. `docs/driver-guide.md` shows whole drivers.
//!
//! | for | there is |
//! |---|---|
//! | devices | [`device::Device`], which the driver owns between `add` and `remove` |
//! | registers | [`mmio::Bar`], whose bounds are checked when a [`mmio::Register`] is made |
//! | memory for DMA | [`dma::Dma`], which the driver cannot read while the device has it; [`dma::SharedDma`] for rings |
//! | interrupts | [`interrupt::Interrupts`] |
//! | block devices | [`block::BlockQueue`] to serve one, [`block::Batch`] to use one |
//! | threads, timers, time | [`thread::Thread`], [`timer::Timer`], [`time`] |
//! | locks and waiting | [`sync`] |
//! | memory and nodes | [`memory`], [`per_cpu::PerCpu`] |
//! | parameters, and numbers that others see | [`parameter`], [`counter::Counter`] |
//! | the log, and other drivers | [`info!`] and its kin, [`drivers`] |
//!
//! # Lifetimes
//!
//! A lifetime `'d` stands for the time for which the driver has a device. Registers, memory for DMA, threads and all else that is made from a
//! [`device::Device`] carry it, and so does the state that the driver returns from `add`. So nothing of a device is used after it is
//! removed: such a driver does not compile. What handlers, timers and threads share lies in memory of the device, where
//! [`device::Device::keep`] puts it, and is freed with it.
//!
//! # What a device can do
//!
//! A device is not trusted: whatever it writes, the driver reads values that are valid. The kit does not keep a device from writing where
//! the driver's registers or commands tell it to: an address that is no `device_address()` and no segment is a wild write.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod block;
pub mod counter;
pub mod device;
#[doc(hidden)]
pub mod devices;
pub mod dma;
pub mod driver;
pub mod drivers;
pub mod interrupt;
pub mod log;
pub mod memory;
pub mod mmio;
pub mod pages;
pub mod parameter;
pub mod per_cpu;
mod scope;
pub mod sync;
pub mod thread;
pub mod time;
pub mod timer;

/// The declarations of the ABI, for constants and structures.
pub use abi;
