//! Drivers that are pushed: a thread receives them at COM3, and loads them.
//!
//! The thread looks for a transfer every 10 ms. While one comes, it lets other threads run and looks again at once.
use crate::arch::SerialPort;
use crate::clock;
use crate::drivers::{self, PushError, Pushed};
use crate::threads::lifecycle;
use crate::threads::thread::Start;
use crate::threads::{scheduler, sleep};
use alloc::vec::Vec;
use arrayvec::ArrayString;
use core::ffi::c_void;
use core::fmt::{self, Write};
use driver_push::{ACCEPTED, Header, HeaderReader, REFUSED, TransferError};

/// How often the thread looks while nothing comes.
const LOOK_NS: u64 = 10_000_000;
/// How long a transfer may pause.
const PAUSE_NS: u64 = 1_000_000_000;
/// How often an answer's byte is tried.
const PATIENCE: u32 = 1_000_000;

/// Why a transfer has loaded no driver.
enum PushRefusal {
    Transfer(TransferError),
    NoMemory,
    NameIsNoText,
    Push(PushError),
}

impl fmt::Display for PushRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transfer(error) => error.fmt(out),
            Self::NoMemory => out.write_str("there is no memory for the file"),
            Self::NameIsNoText => out.write_str("the name is not UTF-8"),
            Self::Push(error) => error.fmt(out),
        }
    }
}

/// Starts the thread, if the machine has the port.
pub fn start() {
    if SerialPort::open(SerialPort::COM3).is_none() {
        return;
    }
    // SAFETY: `run` ignores its argument.
    let start = unsafe { Start::new(run, core::ptr::null_mut()) };
    if lifecycle::create("push", start, None).is_err() {
        log::warn!(target: "push", "there is no memory for its thread");
    }
}

unsafe extern "C" fn run(_: *mut c_void) -> i32 {
    let Some(mut port) = SerialPort::open(SerialPort::COM3) else { return 0 };
    let mut reader = HeaderReader::default();
    loop {
        let mut byte = [0];
        if port.receive(&mut byte) == 0 {
            sleep::sleep_ns(LOOK_NS);
            continue;
        }
        match read_header(&mut port, &mut reader, byte[0]) {
            None => reader.reset(),
            Some(header) => {
                let result =
                    header.map_err(PushRefusal::Transfer).and_then(|header| take(&mut port, &header));
                answer(&mut port, &result);
            }
        }
    }
}

/// Reads a header that begins with this byte. Returns `None` if it is none, or broken off.
fn read_header(
    port: &mut SerialPort,
    reader: &mut HeaderReader,
    first: u8,
) -> Option<Result<Header, TransferError>> {
    let mut read = reader.take(first);
    while read.is_none() && reader.has_begun() {
        let mut byte = [0];
        if receive_all(port, &mut byte) == 0 {
            return None;
        }
        read = reader.take(byte[0]);
    }
    read
}

/// Receives as many bytes as fit, unless the transfer pauses for too long. Returns how many.
fn receive_all(port: &mut SerialPort, bytes: &mut [u8]) -> usize {
    let (mut count, mut last) = (0, clock::time_ns());
    while count < bytes.len() {
        let received = port.receive(&mut bytes[count..]);
        count += received;
        if received > 0 {
            last = clock::time_ns();
        } else if clock::time_ns().saturating_sub(last) > PAUSE_NS {
            break;
        } else {
            scheduler::yield_now();
            core::hint::spin_loop();
        }
    }
    count
}

/// Receives the name and the file that a header announces, and loads the driver.
fn take(port: &mut SerialPort, header: &Header) -> Result<(ArrayString<64>, Pushed), PushRefusal> {
    let mut name = [0; driver_push::LONGEST_NAME];
    let name = &mut name[..header.name_length];
    let mut file = Vec::new();
    let has_memory = file.try_reserve_exact(header.file_length).is_ok();
    if !has_memory {
        return Err(PushRefusal::NoMemory);
    }
    file.resize(header.file_length, 0);
    let received = receive_all(port, name) + receive_all(port, &mut file);
    if received < header.name_length + header.file_length {
        return Err(PushRefusal::Transfer(TransferError::BrokenOff(received)));
    }
    let name = core::str::from_utf8(name).map_err(|_| PushRefusal::NameIsNoText)?;
    header.check(name, &file).map_err(PushRefusal::Transfer)?;
    log::info!(target: "push", "{}: {} bytes", name.escape_debug(), file.len());
    let pushed = drivers::push(name, file).map_err(PushRefusal::Push)?;
    Ok((ArrayString::from(name).unwrap_or_default(), pushed))
}

/// Writes the answer, one line, to the log and to the port.
fn answer(port: &mut SerialPort, result: &Result<(ArrayString<64>, Pushed), PushRefusal>) {
    let mut line = ArrayString::<400>::new();
    // A sentence that is too long is cut.
    let _ = match result {
        Ok((name, Pushed::Loaded)) => write!(line, "{ACCEPTED} {name} is loaded"),
        Ok((name, Pushed::Replaced)) => {
            write!(line, "{ACCEPTED} {name} is loaded, in place of the one before")
        }
        Err(refusal) => {
            log::warn!(target: "push", "{refusal}");
            write!(line, "{REFUSED} {refusal}")
        }
    };
    let mut patience = PATIENCE;
    for part in [line.as_bytes(), b"\n"] {
        let mut rest = part;
        while !rest.is_empty() && patience > 0 {
            let sent = port.try_send(rest);
            rest = &rest[sent..];
            patience -= u32::from(sent == 0);
        }
    }
}
