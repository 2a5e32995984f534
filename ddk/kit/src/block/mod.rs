//! Block devices: a [`BlockDriver`] serves one, and a [`Disk`] is one of any driver.
mod client;
mod driver;

pub use abi::{BLOCK_ERROR as ERROR, BLOCK_FLUSH as FLUSH, BLOCK_GONE as GONE, BLOCK_OK as OK};
pub use abi::{BLOCK_READ as READ, BLOCK_WRITE as WRITE};
pub use client::{Batch, BlockInfo, Disk, Transfer, text};
pub use driver::{
    Accepted, Block, BlockDriver, FLAGS, Geometry, NextRequest, OutstandingTable, Request, Requests,
    poll_through_kernel,
};
