//! Two CPUs allocate, free and exchange blocks at random, as many times as the argument says. No block has two owners, and in the end
//! no frame is left.
#[path = "../tests/machine/mod.rs"]
mod machine;

use std::env;
use std::time::Instant;

fn main() {
    let operations = env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000_u64);
    let start = Instant::now();
    let granted = machine::exchange::exchange(operations / 2);
    println!(
        "soak heap: {operations} operations by two threads, {granted} blocks granted, all came back, in {:.0} s",
        start.elapsed().as_secs_f64()
    );
}
