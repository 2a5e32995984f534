//! page-alloc side by side with other frame allocators: one harness, one table.
use std::fmt::Write;

use anyhow::{Context, Result};
use lexopt::prelude::*;

mod churn;
mod counts;
mod crates;
mod frame_allocator;
mod metadata;
mod table;
mod threads;
mod times;
mod workloads;

use crates::{Bitmap, BuddySlab, BuddySystem, PageAlloc};
use frame_allocator::Crate;
use table::{Column, Measure};
use workloads::Workload;

const USAGE: &str = "usage: comparison [--crate NAME]... [counts] [times] [threads]

Measures page-alloc and other frame allocators, and prints a table; all of it, or what is named:

  counts    instructions (for which valgrind is needed), metadata, 2 MiB blocks recovered: the same on each run
  times     criterion's medians
  threads   what two threads get done against one

Times and threads want a machine that does nothing else.";

fn main() -> Result<()> {
    let mut measure = Measure::default();
    let mut names = Vec::new();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(what) if what == "counts" => measure.counts = true,
            Value(what) if what == "times" => measure.times = true,
            Value(what) if what == "threads" => measure.threads = true,
            Long("crate") => names.push(arguments.value()?.string()?),
            Long(counts::OPTION) => {
                let (name, workload) = (arguments.value()?.string()?, arguments.value()?.string()?);
                return run(&name, &workload, arguments.value()?.parse()?);
            }
            Long("help") | Short('h') => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    if measure == Measure::default() {
        measure = Measure { counts: true, times: true, threads: true };
    }
    if measure.counts && !counts::available() {
        eprintln!("comparison: valgrind is not here: instructions are not counted");
    }
    let mut columns = Vec::new();
    for peer in &PEERS {
        if names.is_empty() || names.iter().any(|name| name == peer.name) {
            eprintln!("comparison: {}", peer.name);
            columns.push((peer.measure)(measure)?);
        }
    }
    let mut text = String::new();
    writeln!(text, "\nOn {}:\n", table::processor())?;
    table::write(&mut text, &columns)?;
    println!("{text}");
    Ok(())
}

/// An action on a crate, whatever its types are.
struct Peer {
    name: &'static str,
    measure: fn(Measure) -> Result<Column>,
    run: fn(Workload, u64),
}

const fn peer<C: Crate>() -> Peer {
    Peer { name: C::NAME, measure: Column::measure::<C>, run: counts::run::<C> }
}

static PEERS: [Peer; 4] = [peer::<PageAlloc>(), peer::<BuddySystem>(), peer::<Bitmap>(), peer::<BuddySlab>()];

/// Runs a workload under callgrind.
fn run(name: &str, workload: &str, times: u64) -> Result<()> {
    let peer = PEERS.iter().find(|peer| peer.name == name).with_context(|| format!("no crate {name}"))?;
    let workload = Workload::ALL.into_iter().find(|known| known.name() == workload);
    (peer.run)(workload.context("no such workload")?, times);
    Ok(())
}
