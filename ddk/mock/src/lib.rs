//! Tests of drivers without a machine: the functions of the driver ABI in a host process.
//!
//! A test links a driver, Rust or C, and this crate, which has all functions that drivers call. It makes a [`Machine`] with nodes and CPUs,
//! plugs devices in, each of which is a [`Pci`] description with a [`DeviceModel`] behind its registers, loads the driver, and uses what
//! the driver offers, such as a [`Disk`].
//!
//! ```ignore
//! use driver_mock::{Bus, DeviceModel, Machine, Pci};
//! use my_driver as _;
//!
//! Machine::new().run(driver_mock::driver!("my_driver", Driver_Devices), |kernel| {
//!     let device = kernel.plug(Pci::new(0x1234, 0x11e8).memory_bar(0, 4096).msix(1), MyDevice::default());
//!     assert_eq!(kernel.load(), 0);
//!     assert_eq!(device.added(), Some(0));
//! });
//! ```
//!
//! - **Registers**: the driver reads and writes them by plain loads and stores of 1 to 8 bytes. Each calls the model.
//! - **Memory**: each block lies at a page without access rights, and freed memory is never used again. Memory whose content is undefined
//!   is filled with 0xd5. A device reaches only what the driver has given to it, and only with bus mastering on.
//! - **Order**: threads and handlers take turns on one thread of the host, at calls of exports and accesses of registers. With
//!   [`Machine::seed`] or [`Kernel::each_seed`] a seed decides when, and interrupts the driver between any two instructions, too. The clock
//!   is the machine's own: ten seconds pass at once.
//! - **Failure**: [`Kernel::fail_allocation`] and [`Machine::run_with_each_allocation_failing`] let allocations fail.
//! - **Mistakes** of the driver or the device are findings ([`Kind`]). A finding that the test does not take fails it, and so does a leak.
//!
//! Each run is a process of its own, so that a driver begins with its statics as they are in its file, and so that a crash is a failed test
//! with a report.
#![allow(non_snake_case)] // The exports have the names of the C header.

mod arguments;
mod blocks;
mod bus;
mod c_functions;
mod clock;
mod contexts;
mod decode;
mod devices;
mod disk;
mod driver;
mod enter;
mod exports;
mod finding;
mod iommu;
mod kernel;
mod machine;
mod model;
mod ownership;
mod pci;
mod placement;
mod process;
mod random;
mod regions;
mod sanitizer;
mod schedule;
mod stack_switch;
mod stepping;
mod trap;
mod world;

pub use abi;
pub use disk::{Buffer, Disk, Request};
pub use driver::{Driver, read_devices};
pub use finding::{ANY, Finding, Kind, Left};
pub use kernel::{Kernel, Plugged, Spawned};
pub use machine::{Machine, Node};
pub use model::{Bus, DeviceModel};
pub use pci::{Bar, Pci};
pub use random::Random;
