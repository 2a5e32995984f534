//! The command `threads`: the threads, with their CPU time.
use super::command::Command;
use crate::threads::thread::{Name, Thread};
use crate::threads::thread_table;
use arrayvec::ArrayVec;
use listing::{Cell, Column, Listing};
use run_queue::State;

/// The command.
pub static COMMAND: Command =
    Command::list("threads", "threads: state, CPU, node, CPU time (by the tick), driver", write);

const COLUMNS: [Column; 7] = [
    Column::number("id"),
    Column::text("name"),
    Column::text("state"),
    Column::number("cpu"),
    Column::number("node"),
    Column::number("cpu_ms"),
    Column::text("driver"),
];

/// Slots of the table that are looked at in one go: no thread leaves the table meanwhile.
const SLOTS_AT_ONCE: usize = 16;

/// What is shown of a thread.
struct Shown {
    id: u32,
    name: Name,
    state: State,
    cpu: usize,
    node: usize,
    /// `None` for an idle thread, whose time is not counted.
    ticks: Option<u64>,
    driver: Option<&'static str>,
}

impl Shown {
    fn of(thread: &Thread) -> Self {
        let (state, cpu) = thread.standing();
        Self {
            id: thread.id.0,
            name: thread.name,
            state,
            cpu: cpu.index(),
            node: thread.memory.home_node().index(),
            ticks: (thread.name.as_str() != "idle").then(|| thread.ticks()),
            driver: thread.driver().map(|driver| driver.name()),
        }
    }
}

/// Writes the threads.
pub fn write(listing: &mut Listing<'_>) {
    listing.table("threads", &COLUMNS, &|next| {
        let mut first = 0;
        loop {
            let found: Option<ArrayVec<Shown, SLOTS_AT_ONCE>> = {
                let table = thread_table::lock();
                table
                    .in_slots(first, SLOTS_AT_ONCE)
                    .map(|threads| threads.map(|thread| Shown::of(thread)).collect())
            };
            let Some(found) = found else { return };
            first += SLOTS_AT_ONCE;
            for thread in found {
                next(&[
                    Cell::Number(thread.id.into()),
                    Cell::Text(&thread.name),
                    Cell::Text(state(thread.state)),
                    Cell::count(thread.cpu),
                    Cell::count(thread.node),
                    Cell::number(thread.ticks),
                    Cell::text(thread.driver),
                ]);
            }
        }
    });
}

fn state(state: State) -> &'static str {
    match state {
        State::Blocked => "blocked",
        State::Queued => "ready",
        State::Running => "running",
        State::Exited => "exited",
    }
}
