//! Memory that a device accesses, on the device's node.
//!
//! A [`Dma`] belongs either to the driver or to the device: the driver hands it over, and takes it back when the device is done. A
//! [`SharedDma`] is used by both at the same time, as a ring is: it consists of [`DmaCell`]s.
mod grant;
mod owned;
mod plain;
mod shared;

pub use owned::{Dma, InDevice};
pub use plain::Plain;
pub use shared::{DmaCell, DmaLayout, SharedDma};
