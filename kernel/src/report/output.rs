//! A serial port with a buffer of lines: writers do not wait for the port, and none sends with interrupts off for long.
//!
//! Every CPU appends its line without a lock. Then, if it may be interrupted and preempted, it sends what waits, some bytes at
//! a time, and interrupts are on in between. Where it may not, its line waits for the next writer or for the tick.
use crate::arch::{InterruptsOff, SerialBase, SerialPort};
use crate::cpu::{self, PreemptionOff};
use crate::sync::{Rank, SpinLock};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use line_editor::{Picture, TypedLine};
use line_ring::{Full, LineRing, Turn};

/// Slots of a port's ring: 60 KiB of text.
const SLOTS: usize = 512;
/// Pieces of up to 16 bytes that are sent in one stretch with interrupts off. A piece takes some 140 instructions.
const PIECES: usize = 3;
/// How often writers try a port that takes no bytes before they stop waiting for it. A try takes some 1 µs on a real machine.
const PATIENCE: u32 = 2_000_000;
/// How often a CPU that goes down tries the port's lock before it writes without the lock.
const LAST_WORDS_PATIENCE: u32 = 1_000_000;

/// Set when a line waits for the tick of any CPU.
static WAITING: AtomicBool = AtomicBool::new(false);
/// Set once interrupts are on and the tick runs. Before that, only the boot CPU runs, and it sends its lines at once.
static TICKS: AtomicBool = AtomicBool::new(false);
/// Set when the machine goes down. Lines then go to the port at once, even if its lock stays held.
static LAST_WORDS: AtomicBool = AtomicBool::new(false);

/// A port, and what is typed at the terminal behind it.
struct Terminal {
    port: SerialPort,
    typed: TypedLine,
}

/// A port, and the lines that wait for it.
pub struct Output {
    base: SerialBase,
    /// Whoever holds the lock sends. `None`: the machine has no such port, and lines are dropped.
    port: SpinLock<Option<Terminal>>,
    /// The line being typed has bytes to send. Changed by whoever holds the port's lock.
    is_typed_waiting: AtomicBool,
    ring: LineRing<SLOTS>,
    is_open: AtomicBool,
    /// How often the port has taken nothing since it last took a byte. Only the holder of the port's lock writes this.
    refusals: AtomicU32,
    /// Lines that were dropped, and are not reported yet.
    lost: AtomicU64,
    /// Set once it is reported that the port is stuck.
    is_reported: AtomicBool,
}

impl Output {
    /// Bytes of the longest line.
    pub const LONGEST_LINE: usize = LineRing::<SLOTS>::LONGEST_LINE;

    /// Returns the output to a port that is not open yet.
    pub const fn new(rank: Rank, base: SerialBase) -> Self {
        Self {
            base,
            port: SpinLock::new(rank, None),
            is_typed_waiting: AtomicBool::new(false),
            ring: LineRing::new(),
            is_open: AtomicBool::new(false),
            refusals: AtomicU32::new(0),
            lost: AtomicU64::new(0),
            is_reported: AtomicBool::new(false),
        }
    }

    /// Opens the port. On a machine without it, later lines are dropped.
    pub fn open(&self) {
        let port = SerialPort::open(self.base);
        self.is_open.store(port.is_some(), Ordering::Relaxed);
        *self.port.lock() = port.map(|port| Terminal { port, typed: TypedLine::new() });
    }

    /// Shows this picture of the line being typed below the lines of the port; an empty one shows nothing. The caller may wait.
    pub fn show_typed(&self, picture: Picture) {
        if let Some(terminal) = self.port.lock().as_mut() {
            terminal.typed.show(picture);
            self.is_typed_waiting.store(true, Ordering::Relaxed);
        }
        self.send_waiting();
    }

    /// Returns true if the machine has the port.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Writes a line of up to [`Output::LONGEST_LINE`] bytes, with its line end. Any CPU may call this, in any context. Returns false
    /// if the line is dropped: the buffer is full and the CPU may not wait, or the port takes nothing.
    #[must_use]
    pub fn write(&self, line: &[u8]) -> bool {
        if !self.is_open() {
            return true;
        }
        if LAST_WORDS.load(Ordering::SeqCst) {
            self.write_last(line);
            return true;
        }
        while self.append(line).is_err() {
            if !may_wait() || self.is_stuck() || line.len() > Self::LONGEST_LINE {
                return false;
            }
            self.send_waiting();
            core::hint::spin_loop();
        }
        if may_wait() {
            self.send_waiting();
        } else {
            WAITING.store(true, Ordering::Relaxed);
        }
        true
    }

    /// Puts the line into the ring. Preemption is off meanwhile: a thread that lost its CPU in the middle would hold up the lines
    /// of all CPUs behind its own.
    fn append(&self, line: &[u8]) -> Result<(), Full> {
        let _off = PreemptionOff::new();
        self.ring.append(line)
    }

    /// Counts lines that were dropped and are not reported.
    pub fn add_lost(&self, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }

    /// Returns how many lines were dropped and are not reported. The caller reports them, or calls [`Output::add_lost`] if it cannot.
    pub fn take_lost(&self) -> u64 {
        if self.lost.load(Ordering::Relaxed) == 0 { 0 } else { self.lost.swap(0, Ordering::Relaxed) }
    }

    /// Returns true once: when nobody waits for the port any more.
    pub fn has_just_stuck(&self) -> bool {
        self.is_stuck() && !self.is_reported.swap(true, Ordering::Relaxed)
    }

    /// Returns true if the port has taken nothing for so long that nobody waits for it any more.
    pub fn is_stuck(&self) -> bool {
        self.refusals.load(Ordering::Relaxed) >= PATIENCE
    }

    /// Sends until nothing waits, another CPU sends, or the port is stuck.
    fn send_waiting(&self) {
        let turn = || match self.send_some() {
            Turn::Again if self.is_stuck() => Turn::Leave,
            turn => turn,
        };
        self.ring.drain(turn);
        // The line being typed comes behind all lines. A CPU that finds the port taken leaves it to the one that has it, which looks here,
        // too, once it has given the port back.
        while self.is_typed_waiting.load(Ordering::SeqCst) && turn() == Turn::Again {
            self.ring.drain(turn);
        }
    }

    /// Sends up to [`PIECES`] pieces, with interrupts off meanwhile.
    fn send_some(&self) -> Turn {
        let Some(mut terminal) = self.port.try_lock() else { return Turn::Leave };
        let Some(Terminal { port, typed }) = terminal.as_mut() else { return Turn::Leave };
        if !typed.is_idle() {
            self.send_beside_typed(port, typed);
            return Turn::Again;
        }
        for _ in 0..PIECES {
            match self.ring.send_front(|bytes| self.try_send(port, bytes)) {
                Some(taken) if taken > 0 => {}
                _ => break,
            }
        }
        Turn::Again
    }

    /// Does the work of [`Output::send_some`] where a line is being typed.
    #[cold]
    #[inline(never)]
    fn send_beside_typed(&self, port: &mut SerialPort, typed: &mut TypedLine) {
        for _ in 0..PIECES {
            let taken = match typed.next_bytes(self.ring.has_lines()) {
                Some(bytes) => {
                    let taken = self.try_send(port, bytes);
                    typed.sent(taken);
                    Some(taken)
                }
                None => self.ring.send_front(|bytes| {
                    let taken = self.try_send(port, bytes);
                    if let Some(last) = bytes[..taken].last() {
                        typed.log_sent(*last);
                    }
                    taken
                }),
            };
            if taken.is_none_or(|taken| taken == 0) {
                break;
            }
        }
        self.is_typed_waiting.store(typed.is_waiting(), Ordering::SeqCst);
    }

    /// Sends as many of the bytes as the port takes now. The caller has the port.
    fn try_send(&self, port: &mut SerialPort, bytes: &[u8]) -> usize {
        let taken = port.try_send(bytes);
        let refusals = if taken > 0 { 0 } else { self.refusals.load(Ordering::Relaxed).saturating_add(1) };
        self.refusals.store(refusals, Ordering::Relaxed);
        taken
    }

    /// Sends what waits, then the line. The other CPUs have stopped. If one of them was sending, up to 16 bytes are sent twice.
    fn write_last(&self, line: &[u8]) {
        self.with_port_at_last(|port| {
            self.send_ring_at_last(port);
            self.send_at_last(port, line);
        });
    }

    /// Sends what waits, and waits until it has left the port. The other CPUs have stopped.
    pub fn flush_at_last(&self) {
        if self.is_open() {
            self.with_port_at_last(|port| {
                self.send_ring_at_last(port);
                if !self.is_stuck() {
                    port.flush();
                }
            });
        }
    }

    /// Returns true if lines wait, of which a part may have been sent.
    pub fn has_lines(&self) -> bool {
        self.ring.has_lines()
    }

    /// Calls `work` while this CPU holds the port's lock, for the fault injection.
    pub fn while_locked(&self, work: impl FnOnce()) {
        let _held = self.port.lock();
        work();
    }

    fn send_ring_at_last(&self, port: &mut SerialPort) {
        let mut cut = false;
        while !self.is_stuck() {
            if self.ring.send_front(|bytes| self.try_send(port, bytes)).is_none() {
                // A CPU may have been stopped in the middle of a line.
                if !self.ring.skip_missing() {
                    break;
                }
                cut = true;
            }
        }
        if cut {
            self.send_at_last(port, b"\r\n");
        }
    }

    fn send_at_last(&self, port: &mut SerialPort, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[self.try_send(port, bytes)..];
            if self.is_stuck() {
                return;
            }
        }
    }

    fn with_port_at_last(&self, work: impl FnOnce(&mut SerialPort)) {
        if let Some(mut terminal) = self.port.lock_within(LAST_WORDS_PATIENCE) {
            if let Some(Terminal { port, typed }) = terminal.as_mut() {
                if typed.is_on_screen() {
                    typed.abandon();
                    self.send_at_last(port, b"\r\n");
                }
                work(port);
            }
        } else if let Some(mut port) = SerialPort::already_open(self.base) {
            // The lock's holder is this CPU, or was stopped.
            work(&mut port);
        }
    }
}

/// Says that the tick runs: from here on, a CPU that may not be interrupted leaves its lines to it.
pub fn leave_lines_to_ticks() {
    TICKS.store(true, Ordering::Relaxed);
}

/// Returns true if lines wait for a tick.
#[inline]
pub fn is_waiting() -> bool {
    WAITING.load(Ordering::Relaxed)
}

/// Makes each later line go to its port even if the port's lock stays held. Its holder may have been stopped, or be this CPU.
pub fn begin_last_words() {
    LAST_WORDS.store(true, Ordering::SeqCst);
}

/// Sends some bytes of each of `outputs`. The tick calls this while [`is_waiting`] is true.
pub fn send_some(outputs: &[&Output]) {
    WAITING.store(false, Ordering::Relaxed);
    for output in outputs {
        if output.ring.has_lines() || output.is_typed_waiting.load(Ordering::Relaxed) {
            let _ = output.send_some();
            WAITING.store(true, Ordering::Relaxed);
        }
    }
}

/// Returns true if the caller may send for as long as it takes.
pub fn may_wait() -> bool {
    !TICKS.load(Ordering::Relaxed) || !(InterruptsOff::are_off() || cpu::is_preemption_off())
}
