//! The command `findings`: what is wrong in firmware's tables, with devices and clocks.
use super::command::Command;
use crate::report::findings_seen;
use listing::{Cell, Column, Listing};

/// The command.
pub static COMMAND: Command =
    Command::list("findings", "faults of firmware's tables, of PCI and of clocks, and what was done", write);

const COLUMNS: [Column; 5] = [
    Column::text("table"),
    Column::number("offset"),
    Column::text("rule"),
    Column::text("action"),
    Column::text("what"),
];

/// Writes the findings.
pub fn write(listing: &mut Listing<'_>) {
    let (count, kept) = findings_seen::counts();
    listing.field("findings", Cell::count(count));
    if count > 0 {
        listing.table("list", &COLUMNS, &|next| {
            for seen in (0..kept).filter_map(findings_seen::nth) {
                next(&[
                    Cell::Text(&seen.table),
                    Cell::Number(seen.offset.into()),
                    Cell::Text(&seen.rule),
                    Cell::Text(&seen.action),
                    Cell::Text(&seen.what),
                ]);
            }
        });
    }
}
