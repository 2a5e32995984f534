//! Steps of boot that need every layer below: bringing up the CPUs.

pub mod cpus;
pub mod interrupt_controllers;
mod new_cpu;
pub mod start_frames;
