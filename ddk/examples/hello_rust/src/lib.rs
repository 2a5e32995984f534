//! hello_rust: a driver in Rust. It logs the node that it runs on and the memory of each node.
#![no_std]
#![forbid(unsafe_code)]

use driver_kit::driver::Refusal;
use driver_kit::{info, memory};

driver_kit::driver! { init = start }

fn start() -> Result<(), Refusal> {
    let (nodes, here) = (memory::nodes(), memory::current_node());
    info!("Hello from Rust on node {here} of {nodes}");
    for node in 0..nodes {
        let node_info = memory::node_info(node).ok_or(Refusal(-1))?;
        info!("node {node}: {} MiB", node_info.MemorySize >> 20);
    }
    Ok(())
}
