//! The command `stat`: what was allocated where, like `numastat`.
use super::command::{Action, Command, CommandError, Invocation};
use super::nodes;
use crate::drivers;
use crate::drivers::memory_by_node;
use crate::drivers::statistics::{self, Holdings};
use crate::memory::frames;
use crate::platform::numa_topology;
use line_editor::Completion;
use listing::{Cell, Column, Listing, Matrix};
use page_alloc::NodeStats;

/// The command.
pub static COMMAND: Command = Command {
    name: "stat",
    arguments: "[-p]",
    summary: "pages by node as they were wanted (like numastat); -p: by driver and node",
    complete,
    action: Action::Run(run),
};

/// The option: by driver.
const BY_DRIVER: &str = "-p";

const KIB_PER_PAGE: u64 = 4;

/// A count, by numastat's name.
type Counted = (&'static str, fn(&NodeStats) -> u64);

const COUNTS: [Counted; 7] = [
    ("numa_hit", |stats| stats.hit),
    ("numa_miss", |stats| stats.miss),
    ("numa_foreign", |stats| stats.foreign),
    ("interleave_hit", |stats| stats.interleave_hit),
    ("local_node", |stats| stats.local),
    ("other_node", |stats| stats.other),
    ("refused_frees", |stats| stats.refused_frees),
];

fn complete(completion: &mut Completion<'_>) {
    completion.offer(BY_DRIVER);
}

fn run(invocation: &Invocation<'_>, listing: &mut Listing<'_>) -> Result<(), CommandError> {
    match invocation.only_word()? {
        None => write(listing),
        Some(BY_DRIVER) => write_drivers(listing),
        Some(_) => return Err(CommandError::Usage),
    }
    Ok(())
}

/// Writes the counts of each node.
pub fn write(listing: &mut Listing<'_>) {
    let matrix = Matrix {
        rows: COUNTS.len(),
        columns: numa_topology::get().node_count(),
        row_name: &|row, next| next(Cell::Text(COUNTS[row].0)),
        column_name: &nodes::name_node,
        value: &|row, node| Cell::Number(COUNTS[row].1(&frames::node_stats(nodes::id_of(node)))),
    };
    listing.matrix("counts", ("count", "node"), &matrix);
}

/// The columns with amounts of memory.
const AMOUNTS: [Column; 5] = [
    Column::number("image_kib"),
    Column::number("pages_kib"),
    Column::number("heap_kib"),
    Column::number("dma_kib"),
    Column::number("all_kib"),
];

/// Returns the cells of [`AMOUNTS`].
fn amounts(image: u64, pages: u64, heap: u64, dma: u64) -> [Cell<'static>; AMOUNTS.len()] {
    [image, pages, heap, dma, image + pages + heap + dma].map(Cell::Number)
}

/// Writes the memory of each driver, and then that by node.
fn write_drivers(listing: &mut Listing<'_>) {
    write_sums(listing);
    write_by_node(listing);
}

/// Writes a row for each driver and each node where it has memory.
fn write_by_node(listing: &mut Listing<'_>) {
    let [image, pages, heap, dma, all] = AMOUNTS;
    let columns = [Column::text("driver"), Column::number("node"), image, pages, heap, dma, all];
    let nodes = numa_topology::get().node_count();
    listing.table("by_node", &columns, &|next| {
        for driver in drivers::loaded() {
            let by_node = memory_by_node::of(driver.owner, nodes);
            for (node, held) in by_node.iter().enumerate().filter(|(_, held)| !held.is_empty()) {
                let [image, pages, dma] =
                    [held.image_pages, held.pages, held.dma_pages].map(|pages| pages * KIB_PER_PAGE);
                let heap = held.heap_bytes.div_ceil(1024);
                let [image, pages, heap, dma, all] = amounts(image, pages, heap, dma);
                next(&[Cell::Text(driver.owner.name()), Cell::count(node), image, pages, heap, dma, all]);
            }
        }
    });
}

/// Writes the sums over all nodes for each driver.
fn write_sums(listing: &mut Listing<'_>) {
    let [image, pages, heap, dma, all] = AMOUNTS;
    let columns = [Column::text("driver"), image, pages, heap, dma, all];
    listing.table("drivers", &columns, &|next| {
        for driver in drivers::loaded() {
            let image = driver.image_pages as u64 * KIB_PER_PAGE;
            let held = statistics::of(driver.owner);
            let kib = |of: fn(&Holdings) -> u64| held.as_ref().map_or(0, of);
            let pages = kib(|held| held.pages * KIB_PER_PAGE);
            let heap = kib(|held| held.heap_bytes.div_ceil(1024));
            let dma = kib(|held| held.dma_bytes / 1024);
            let [image, pages, heap, dma, all] = amounts(image, pages, heap, dma);
            next(&[Cell::Text(driver.owner.name()), image, pages, heap, dma, all]);
        }
    });
}
