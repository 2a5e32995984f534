//! The end of a machine that goes down: reports of all CPUs that have one, then one verdict.
use super::machine_end::end_machine;
use super::{console, event_stream, output, screen};
use crate::arch::{self, SerialBase, SerialPort};
use crate::cpu;
use events::Event;
use last_words::{Cause, Say};

/// How often [`send_raw`] tries a port that takes nothing: some seconds on a real machine.
const PATIENCE: u32 = 2_000_000;

/// The running CPU's right to write its report, and what it ends with.
#[must_use]
pub struct LastReport {
    order: usize,
}

/// Begins the running CPU's last words. Returns if it may write a report; the log then works even if another CPU, or the code that
/// was interrupted, holds the console's lock. A CPU that has begun before says one line, and a third time nothing.
pub fn begin(cause: Cause) -> LastReport {
    match cpu::begin_last_words(cause) {
        Say::Everything { order } => {
            output::begin_last_words();
            screen::begin_last_words();
            LastReport { order }
        }
        Say::OneLine { order } => say_one_line(order),
        Say::Nothing => arch::halt_forever(),
    }
}

impl LastReport {
    /// Ends this CPU's report. The CPU that was the first to go down reports the verdict on both ports and ends the machine.
    pub fn end(self) -> ! {
        let is_failure = cpu::end_last_words(self.order);
        if cpu::claim_verdict() {
            if is_failure {
                log::error!(target: "verdict", "failure");
            }
            event_stream::send(&Event::Exit { ok: !is_failure });
            event_stream::OUTPUT.flush_at_last();
            console::OUTPUT.flush_at_last();
            screen::draw_all();
        }
        end_machine(!is_failure)
    }
}

/// Says that the report of a fault had a fault, and which CPU that was, straight to the ports: without locks, without the CPU's own
/// data, without formatting. Then the verdict.
fn say_one_line(order: usize) -> ! {
    let apic = hex(arch::this_apic_id().0);
    // The report may have ended in the middle of a line.
    let line: &[u8] = b"\r\nERROR fault: another fault in the report, on the CPU with APIC id 0x";
    send_raw(SerialPort::COM1, &[line, &apic, b"\r\n"]);
    screen::draw_raw(&[line.trim_ascii(), &apic]);
    cpu::end_last_words(order);
    if cpu::claim_verdict() {
        send_raw(SerialPort::COM1, &[b"ERROR verdict: failure\r\n"]);
        screen::draw_raw(&[b"ERROR verdict: failure"]);
        // A line of the events may have been cut.
        let start: &[u8] = if event_stream::OUTPUT.has_lines() { b"\n" } else { b"" };
        send_raw(SerialPort::COM2, &[start, b"{\"event\":\"exit\",\"ok\":false}\n"]);
    }
    end_machine(false)
}

/// Sends these texts without a lock and without a buffer, and waits until they have left the port, but not for ever.
fn send_raw(base: SerialBase, texts: &[&[u8]]) {
    let Some(mut port) = SerialPort::already_open(base) else { return };
    let mut patience = PATIENCE;
    for mut text in texts.iter().copied() {
        while !text.is_empty() && patience > 0 {
            let taken = port.try_send(text);
            text = &text[taken..];
            patience -= u32::from(taken == 0);
        }
    }
    port.flush();
}

/// Returns the number in hex.
fn hex(number: u32) -> [u8; 8] {
    let digit = |index: usize| match (number >> (28 - 4 * index)) as u8 & 0xf {
        low @ 0..10 => b'0' + low,
        high => b'a' + high - 10,
    };
    core::array::from_fn(digit)
}
