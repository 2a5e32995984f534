//! Costs that must not grow with memory: the setup of the page allocator for each GiB, and a request that finds no page.
use super::{measure, report};
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::memory::page_setup;
use crate::platform::numa_topology;
use crate::selftest::fallback::Taken;
use alloc::format;
use alloc::string::String;
use page_alloc::Policy;
use topology::Node;
use units::NodeId;

const MIB_IN_GIB: u64 = 1 << 10;
const MIB_IN_TIB: u64 = 1 << 20;

/// Reports what the setup of the page allocator took. The name contains the machine's memory size.
pub fn setup() {
    let mib = numa_topology::get().nodes().iter().map(Node::memory_mib).sum();
    let name = format!("page.init.{}", size(mib));
    report(&name, page_setup::init_ticks(), 1);
    if mib >= MIB_IN_GIB {
        report(&format!("{name}.per_gib"), page_setup::init_ticks(), mib / MIB_IN_GIB);
    }
}

fn size(mib: u64) -> String {
    match mib {
        _ if mib.is_multiple_of(MIB_IN_TIB) => format!("{}TiB", mib / MIB_IN_TIB),
        _ if mib.is_multiple_of(MIB_IN_GIB) => format!("{}GiB", mib / MIB_IN_GIB),
        _ => format!("{mib}MiB"),
    }
}

/// Measures a strict request for a page of a node that has none left.
pub fn exhausted(node: NodeId) {
    let mut taken = Taken::new();
    taken.take_all(node);
    let policy = Some(Policy::Strict(node));
    let request = ThreadRequest { zeroed: Zeroed::No, policy, ..ThreadRequest::new(1) };
    measure("page.exhausted.strict", || {
        let _ = allocate::allocate_for_thread(request);
    });
    if let Err(error) = taken.free_all() {
        log::error!(target: "bench", "{error}");
    }
}
