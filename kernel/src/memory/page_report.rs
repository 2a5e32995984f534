//! What holds the pages that are granted, by use and by node.
use super::page_uses::{self, PageUse};
use super::{driver_pages, frames};
use crate::platform::numa_topology;

/// The pages that are granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GrantedPages {
    /// As their users count: the kernel for each use, and the drivers.
    pub by_use: u64,
    /// As the nodes count.
    pub by_node: u64,
}

/// Counts the granted pages in both ways. While nothing is allocated or freed, and no self-test holds pages, both numbers are the same.
pub fn granted() -> GrantedPages {
    let by_use = PageUse::ALL.into_iter().map(page_uses::count).sum::<u64>() + driver_pages::count_all();
    let of_node = |node: &topology::Node| {
        let stats = frames::node_stats(node.id);
        stats.managed - stats.free
    };
    GrantedPages { by_use, by_node: numa_topology::get().nodes().iter().map(of_node).sum() }
}

/// Logs a line for each use that has pages, and one for the drivers and the sum, at the level `debug`.
pub fn log() {
    if !log::log_enabled!(target: "pages", log::Level::Debug) {
        return;
    }
    for page_use in PageUse::ALL {
        let pages = page_uses::count(page_use);
        if pages > 0 {
            log::debug!(target: "pages", "{page_use}: {pages} pages");
        }
    }
    let GrantedPages { by_use, by_node } = granted();
    log::debug!(
        target: "pages",
        "drivers: {} pages; all: {by_use} pages, as the nodes count {by_node}", driver_pages::count_all()
    );
}
