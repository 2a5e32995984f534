//! node-heap side by side with other heaps: one harness, one table.
use std::alloc::GlobalAlloc;

use anyhow::{Context, Result};
use lexopt::prelude::*;

mod counts;
mod fragmentation;
mod heaps;
mod table;
mod workloads;

use table::Column;
use workloads::Workload;

const USAGE: &str = "usage: heap-comparison [--heap NAME]... [counts] [fragmentation]

Measures node-heap and other heaps, and prints a table; all of it, or what is named:

  counts          instructions (for which valgrind is needed): the same on each run
  fragmentation   pages touched and pages pinned, relative to the memory in use: the same on each run";

fn main() -> Result<()> {
    let (mut measure_counts, mut measure_fragmentation) = (false, false);
    let mut names = Vec::new();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(what) if what == "counts" => measure_counts = true,
            Value(what) if what == "fragmentation" => measure_fragmentation = true,
            Long("heap") => names.push(arguments.value()?.string()?),
            Long(counts::OPTION) => {
                let (name, workload) = (arguments.value()?.string()?, arguments.value()?.string()?);
                return run(&name, &workload, arguments.value()?.parse()?);
            }
            // Each heap is measured in a process of its own, where nothing else has used it.
            Long(fragmentation::OPTION) => return fragmentation::print(find(&arguments.value()?.string()?)?),
            Long("help") | Short('h') => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    if !measure_counts && !measure_fragmentation {
        (measure_counts, measure_fragmentation) = (true, true);
    }
    if measure_counts && !counts::available() {
        eprintln!("heap-comparison: valgrind is not here: instructions are not counted");
        measure_counts = false;
    }
    let mut columns = Vec::new();
    for peer in PEERS {
        if names.is_empty() || names.iter().any(|name| name == peer.name) {
            eprintln!("heap-comparison: {}", peer.name);
            columns.push(Column::measure(peer, measure_counts, measure_fragmentation)?);
        }
    }
    println!("\n{}", table::text(&columns));
    Ok(())
}

/// A heap, and what is done with it, whatever its type is.
struct Peer {
    name: &'static str,
    version: &'static str,
    /// Runs a workload so many times.
    run: fn(Workload, u64),
    fragmentation: fn() -> fragmentation::Ratios,
}

/// Makes a peer of a function that builds a heap.
macro_rules! peer {
    ($name:literal, $version:literal, $new:path) => {
        Peer {
            name: $name,
            version: $version,
            run: |workload, times| workload.run(&$new(), times),
            fragmentation: || fragmentation::measure(&$new()),
        }
    };
}

static PEERS: &[Peer] = &[
    peer!("node-heap", "", heaps::NodeHeapCpu::new),
    #[cfg(feature = "c-heaps")]
    peer!("mimalloc", "3 (0.1.52)", heaps::mimalloc),
    #[cfg(feature = "c-heaps")]
    peer!("jemalloc", "5.3.1", heaps::jemalloc),
    #[cfg(feature = "c-heaps")]
    peer!("rpmalloc", "0.2.2", heaps::rpmalloc),
    peer!("talc", "5.1.1", heaps::talc),
    peer!("rlsf", "0.2.3", heaps::Rlsf::new),
    peer!("slab_allocator_rs", "1.0.2", heaps::slab_allocator),
    peer!("linked_list_allocator", "0.10.6", heaps::LinkedList::new),
];

fn find(name: &str) -> Result<&'static Peer> {
    PEERS.iter().find(|peer| peer.name == name).with_context(|| format!("no heap {name}"))
}

/// Runs a workload under callgrind.
fn run(name: &str, workload: &str, times: u64) -> Result<()> {
    let workload = Workload::ALL.into_iter().find(|known| known.name() == workload);
    (find(name)?.run)(workload.context("no such workload")?, times);
    Ok(())
}

/// What is measured is a heap of this trait.
trait Heap: GlobalAlloc {}
impl<H: GlobalAlloc> Heap for H {}
