//! The event stream, for programs: writes one JSON object a line to COM2. On a machine without the port nothing is written.
use super::findings_seen;
use super::output::Output;
use crate::arch::SerialPort;
use crate::sync::Rank;
use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use events::{DriverText, Event};

/// Bytes for a line: enough for every event but the topology of a large machine.
const LINE_SIZE: usize = 1024;
/// Bytes of the longest line that is tried. The topology of 128 nodes, with all distances, takes some 150 KiB.
const LONGEST_LINE: usize = 1 << 20;

/// Where the events go.
pub static OUTPUT: Output = Output::new(Rank::Events, SerialPort::COM2);

/// Opens the port.
pub fn init() {
    OUTPUT.open();
}

/// Writes an event of up to 1,024 bytes, without allocating. A longer event is left out with a warning.
pub fn send(event: &Event<'_>) {
    if let Event::Finding { table, offset, rule, action, what } = event {
        findings_seen::add(table, *offset, rule, action, what);
    }
    if !OUTPUT.is_open() {
        return;
    }
    match events::write_line(event, &mut [0; LINE_SIZE]) {
        Ok(line) => send_line(line),
        Err(_) => log::warn!(target: "events", "an event was longer than {LINE_SIZE} bytes and was left out"),
    }
}

/// Writes the event of a driver, without allocating.
pub fn send_driver(text: &DriverText) {
    if OUTPUT.is_open() {
        send_line(text.line().as_bytes());
    }
}

fn send_line(line: &[u8]) {
    let lost = OUTPUT.take_lost();
    if lost > 0 {
        log::warn!(target: "events", "{lost} events were lost: the buffer was full");
    }
    if !OUTPUT.write(line) {
        OUTPUT.add_lost(1);
    }
    if OUTPUT.has_just_stuck() {
        log::warn!(target: "events", "COM2 takes no bytes; events are dropped until it does");
    }
}

/// Writes an event of up to 1 MiB, with a buffer from the heap. A longer event is left out with a warning. The event goes out in
/// parts, so only the boot calls this, before the other CPUs start.
///
/// # Errors
/// [`TryReserveError`] if there is not enough memory for the buffer; then nothing is written.
pub fn send_long(event: &Event<'_>) -> Result<(), TryReserveError> {
    if !OUTPUT.is_open() {
        return Ok(());
    }
    let mut size = 4 * LINE_SIZE;
    while size <= LONGEST_LINE {
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(size)?;
        buffer.resize(size, 0);
        if let Ok(line) = events::write_line(event, &mut buffer) {
            if !line.chunks(Output::LONGEST_LINE / 2).all(|part| OUTPUT.write(part)) {
                OUTPUT.add_lost(1);
            }
            return Ok(());
        }
        size *= 4;
    }
    log::warn!(target: "events", "an event was longer than {LONGEST_LINE} bytes and was left out");
    Ok(())
}
