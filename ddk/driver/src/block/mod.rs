//! Block devices: [`BlockQueue`]s serve one, and a [`Disk`] is one of any driver.
mod client;
mod driver;
mod submissions;

pub use abi::{BLOCK_ERROR as ERROR, BLOCK_FLUSH as FLUSH, BLOCK_GONE as GONE, BLOCK_OK as OK};
pub use abi::{BLOCK_READ as READ, BLOCK_WRITE as WRITE};
pub use client::{Batch, BlockInfo, Disk, Transfer, text};
pub(crate) use driver::is_registered;
pub use driver::{
    Accepted, Block, BlockQueue, FLAGS, Geometry, Length, NextRequest, OutstandingTable, Request, Requests,
    poll_through_kernel,
};
pub use submissions::Submissions;
