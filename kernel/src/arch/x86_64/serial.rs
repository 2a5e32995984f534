//! The serial ports, driven by the crate `uart_16550`.
use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550};

/// How often the kernel asks whether the last byte has left the port before it stops waiting. A broken port does not hang the
/// kernel. A byte takes some 87 µs at 115,200 baud.
const PATIENCE: u32 = 10_000_000;

/// The first I/O port of one of the PC's serial ports.
#[derive(Clone, Copy)]
pub struct SerialBase(u16);

/// A 16550 UART at one of the PC's usual ports.
pub struct SerialPort(Uart16550<PioBackend>);

impl SerialPort {
    /// The first port: the log, for people.
    pub const COM1: SerialBase = SerialBase(0x3f8);
    /// The second port: the event stream, for programs.
    pub const COM2: SerialBase = SerialBase(0x2f8);

    /// Sets up the port at `base`. Returns `None` if no UART answers there.
    pub fn open(base: SerialBase) -> Option<Self> {
        let mut port = Self::already_open(base)?;
        port.0.init(Config::default()).ok()?;
        Some(port)
    }

    /// Returns the port at `base`, which was set up before. A CPU that goes down calls this while another CPU holds the port's
    /// lock.
    pub fn already_open(base: SerialBase) -> Option<Self> {
        // SAFETY: only this file makes a `SerialBase`: `COM1` and `COM2`. On a PC, these are the ports of a UART or of no device, so
        // no read of them and no write to them touches memory.
        unsafe { Uart16550::new_port(base.0) }.ok().map(Self)
    }

    /// Sends the first of the bytes, as many as the port takes now, at most 16. Returns how many it took.
    pub fn try_send(&mut self, bytes: &[u8]) -> usize {
        self.0.send_bytes(bytes)
    }

    /// Waits until the last byte has left the port, but not for ever.
    pub fn flush(&mut self) {
        let mut patience = PATIENCE;
        while patience > 0 && !self.0.lsr().contains(uart_16550::spec::registers::LSR::TRANSMITTER_EMPTY) {
            patience -= 1;
            core::hint::spin_loop();
        }
    }
}
