//! Steps of boot that need every layer below: bringing up the CPUs.

pub mod cpus;
mod new_cpu;
pub mod start_frames;
