//! my_driver: says hello, on which node it runs, and goodbye.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use driver_kit::driver::Refusal;
use driver_kit::{info, memory};

driver_kit::driver! { init = start, exit = stop }

/// Starts the driver. An error refuses to start: the kernel logs its number and takes back what the driver has.
fn start() -> Result<(), Refusal> {
    let node = memory::current_node();
    if memory::node_info(node).is_none() {
        return Err(Refusal(-1));
    }
    info!("Hello from my_driver on node {node}");
    Ok(())
}

/// Stops the driver, when it is unloaded. The kernel takes back what is left.
fn stop() {
    info!("Goodbye");
}
