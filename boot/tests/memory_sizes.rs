//! The costs of boot and page allocator do not grow with memory, or hardly. A clock that counts instructions measures them.
mod common;

use boot::event::Bench;
use boot::{Machine, Run, Verdict};
use common::boot;

fn measured(machine: Machine) -> Run {
    boot(&machine.counting(0).parameters("bench"), Verdict::Success)
}

/// Returns the instructions for one operation.
#[track_caller]
fn instructions(run: &Run, name: &str) -> u64 {
    let measured: Vec<Bench> = run.events_of("bench");
    let bench = measured.iter().find(|bench| bench.name == name);
    let bench = bench.unwrap_or_else(|| panic!("{name} was not measured\n{}", run.serial));
    bench.ticks / bench.ops
}

#[test]
fn a_tebibyte_costs_little_more_than_half_a_gibibyte() {
    let (small, large) = (measured(Machine::two_nodes()), measured(Machine::two_nodes_of(512 << 10)));
    let (small_boot, large_boot) = (instructions(&small, "boot.kernel"), instructions(&large, "boot.kernel"));
    let most = (small_boot * 3 / 2).max(small_boot + 5_000_000);
    assert!(large_boot <= most, "{small_boot} instructions with 512 MiB, {large_boot} with 1 TiB");
    let per_gib = instructions(&large, "page.init.1TiB.per_gib");
    assert!(per_gib <= 2000, "{per_gib} instructions for each GiB to set the page allocator up");
    for name in ["page.exhausted.strict", "page.pair.order0.local", "page.pair.order9"] {
        let (small, large) = (instructions(&small, name), instructions(&large, name));
        assert!(large <= small + small / 10, "{name}: {small} instructions with 512 MiB, {large} with 1 TiB");
    }
}
