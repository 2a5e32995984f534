//! Ids of devices, and the claim on a device: which driver owns it.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod claim;
mod device_id;

pub use claim::{Claim, ClaimError, OwnerKey};
pub use device_id::DeviceId;
