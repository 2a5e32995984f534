//! Steps of boot that need every layer below: bringing up the CPUs.

pub mod cpus;
mod machine_screen;
mod new_cpu;
pub mod screen_thread;
pub mod start_frames;
