//! Block devices: drivers register them, and other drivers submit requests to them.
//!
//! `docs/block.md` describes the structures, the protocol of a request's life, and what each step costs.

mod complete;
mod count_down;
mod device_list;
mod done;
mod length;
mod mistakes;
mod outstanding;
mod poll;
mod queue;
mod request;
mod submit;

pub use complete::complete;
pub use count_down::{kernel_count_down, set_count_down};
pub use device_list::{
    Description, NewBlockDevice, close_all, close_served_by, describe, find, is_served_by, next, register,
    silence, unregister,
};
pub use mistakes::report;
pub use outstanding::wait_for_requests_of;
pub use poll::poll;
pub use queue::Functions;
pub use submit::submit;
