//! The event stream, for programs: writes one JSON object a line to COM2. On a machine without the port nothing is written.
use crate::arch::SerialPort;
use crate::sync::{Rank, SpinLock};
use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use events::Event;

/// Bytes for a line: enough for every event but the topology of a large machine.
const LINE_SIZE: usize = 1024;
/// Bytes of the longest line that is tried. The topology of 128 nodes, with all distances, takes some 150 KiB.
const LONGEST_LINE: usize = 1 << 20;
/// How often a CPU that goes down tries the stream's lock before it writes without the lock.
const LAST_WORDS_PATIENCE: u32 = 1_000_000;

struct Stream {
    port: Option<SerialPort>,
    line: [u8; LINE_SIZE],
}

static STREAM: SpinLock<Stream> = SpinLock::new(Rank::Events, Stream { port: None, line: [0; LINE_SIZE] });

/// Opens the port.
pub fn init() {
    STREAM.lock().port = SerialPort::open(SerialPort::COM2);
}

/// Writes an event of up to 1,024 bytes, without allocating. A longer event is left out with a warning.
pub fn send(event: &Event<'_>) {
    if !STREAM.lock().send(event) {
        log::warn!(target: "events", "an event was longer than {LINE_SIZE} bytes and was left out");
    }
}

/// Writes an event of up to 1 MiB, with a buffer from the heap. A longer event is left out with a warning.
///
/// # Errors
/// [`TryReserveError`] if there is not enough memory for the buffer; then nothing is written.
pub fn send_long(event: &Event<'_>) -> Result<(), TryReserveError> {
    if STREAM.lock().port.is_none() {
        return Ok(());
    }
    let mut size = 4 * LINE_SIZE;
    while size <= LONGEST_LINE {
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(size)?;
        buffer.resize(size, 0);
        if let Ok(line) = events::write_line(event, &mut buffer) {
            if let Some(port) = &mut STREAM.lock().port {
                port.send(line);
            }
            return Ok(());
        }
        size *= 4;
    }
    log::warn!(target: "events", "an event was longer than {LONGEST_LINE} bytes and was left out");
    Ok(())
}

/// Writes the last event, even if the stream's lock stays held, and waits until the event has left the port.
pub fn send_last(event: &Event<'_>) {
    if let Some(mut stream) = STREAM.lock_within(LAST_WORDS_PATIENCE) {
        stream.send(event);
        if let Some(port) = &mut stream.port {
            port.flush();
        }
        return;
    }
    let Some(mut port) = SerialPort::open(SerialPort::COM2) else { return };
    let mut buffer = [0; 128];
    if let Ok(line) = events::write_line(event, &mut buffer) {
        // The lock's holder may have been stopped in the middle of a line.
        port.send(b"\n");
        port.send(line);
        port.flush();
    }
}

impl Stream {
    fn send(&mut self, event: &Event<'_>) -> bool {
        let Some(port) = &mut self.port else { return true };
        match events::write_line(event, &mut self.line) {
            Ok(line) => port.send(line),
            Err(_) => return false,
        }
        true
    }
}
