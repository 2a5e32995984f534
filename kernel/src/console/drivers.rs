//! The command `drivers`: the drivers that are loaded, and what each holds.
use super::command::{Action, Command, CommandError, Invocation};
use crate::block;
use crate::devices::device_registry::{self, Device};
use crate::drivers::statistics::{self, Holdings};
use crate::drivers::{self, LoadedDriver, counters};
use crate::threads::owner::Life;
use core::{iter, ptr};
use line_editor::Completion;
use listing::{Cell, Column, Listing};

/// The command.
pub static COMMAND: Command = Command {
    name: "drivers",
    arguments: "[DRIVER]",
    summary: "drivers that are loaded, and what each holds; one with its counters",
    complete: complete_loaded,
    action: Action::Run(run),
};

const COLUMNS: [Column; 11] = [
    Column::text("driver"),
    Column::text("state"),
    Column::number("threads"),
    Column::number("pages"),
    Column::number("image"),
    Column::number("heap"),
    Column::number("dma"),
    Column::number("devices"),
    Column::number("irqs"),
    Column::number("timers"),
    Column::number("faults"),
];

fn run(invocation: &Invocation<'_>, listing: &mut Listing<'_>) -> Result<(), CommandError> {
    match invocation.only_word()? {
        None => write(listing),
        Some(name) => {
            let driver = drivers::loaded().find(|driver| driver.owner.name() == name);
            write_one(&driver.ok_or(CommandError::NoSuchDriver)?, listing);
        }
    }
    Ok(())
}

/// Writes the drivers.
pub fn write(listing: &mut Listing<'_>) {
    listing.table("drivers", &COLUMNS, &|next| drivers::loaded().for_each(|driver| write_row(&driver, next)));
    listing.remark(format_args!("pages and image in pages, heap and dma in bytes; drivers DRIVER says more"));
}

fn write_row(driver: &LoadedDriver, next: &mut dyn FnMut(&[Cell<'_>])) {
    let owner = driver.owner;
    // A driver that ends has no numbers.
    let held = statistics::of(owner);
    let number = |of: fn(&Holdings) -> u64| Cell::number(held.as_ref().map(of));
    next(&[
        Cell::Text(owner.name()),
        Cell::Text(state(driver)),
        number(|held| held.threads),
        number(|held| held.pages),
        Cell::count(driver.image_pages),
        number(|held| held.heap_bytes),
        number(|held| held.dma_bytes),
        Cell::count(devices_of(driver).count()),
        number(|held| held.interrupts),
        number(|held| held.timers),
        number(|held| held.faults),
    ]);
}

fn devices_of(driver: &LoadedDriver) -> impl Iterator<Item = &'static Device> {
    let owner = driver.owner;
    device_registry::all().iter().filter(move |device| device.is_of(owner))
}

/// Writes a driver with its devices, its disks and its counters.
fn write_one(driver: &LoadedDriver, listing: &mut Listing<'_>) {
    listing.table("drivers", &COLUMNS, &|next| write_row(driver, next));
    listing.field("loads", Cell::Number(driver.owner.lives().into()));
    listing.field("mappings", Cell::number(statistics::of(driver.owner).map(|held| held.mappings)));
    let disks = iter::successors(block::next(0), |last| block::next(*last)).filter_map(block::describe);
    let is_its = |disk: &block::Description| disk.owner.is_some_and(|owner| ptr::eq(owner, driver.owner));
    listing.field("disks", Cell::count(disks.filter(is_its).count()));
    listing.table("devices", &[Column::text("device"), Column::text("class")], &|next| {
        for device in devices_of(driver) {
            next(&[Cell::Shown(&device.function.address), Cell::Shown(&device.function.class)]);
        }
    });
    listing.table("counters", &[Column::text("counter"), Column::number("value")], &|next| {
        counters::for_each(driver.owner, |name, value| next(&[Cell::Text(name), Cell::number(value)]));
    });
}

fn state(driver: &LoadedDriver) -> &'static str {
    if driver.owner.has_failed() {
        return "failed";
    }
    match driver.owner.life() {
        Life::Running if driver.has_started => "running",
        Life::Running => "starting",
        Life::Stopping | Life::Leaving | Life::Ending => "stopping",
        Life::Stuck => "stuck",
        Life::Over => "over",
    }
}

/// Offers the names of the drivers that are loaded.
pub fn complete_loaded(completion: &mut Completion<'_>) {
    drivers::loaded().for_each(|driver| completion.offer(driver.owner.name()));
}
