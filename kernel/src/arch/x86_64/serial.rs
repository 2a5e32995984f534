//! The serial ports, driven by the crate `uart_16550`.
use core::arch::asm;
use uart_16550::backend::PioBackend;
use uart_16550::spec::FIFO_SIZE;
use uart_16550::spec::registers::IER;
use uart_16550::{Config, Uart16550};

/// How often the kernel asks whether the last byte has left the port before it stops waiting. A broken port does not hang the
/// kernel. A byte takes some 87 µs at 115,200 baud.
const PATIENCE: u32 = 10_000_000;

/// The first I/O port of one of the PC's serial ports.
#[derive(Clone, Copy)]
pub struct SerialBase(u16);

/// A 16550 UART at one of the PC's usual ports.
pub struct SerialPort(Uart16550<PioBackend>, SerialBase);

impl SerialPort {
    /// The first port: the log, for people.
    pub const COM1: SerialBase = SerialBase(0x3f8);
    /// The second port: the event stream, for programs.
    pub const COM2: SerialBase = SerialBase(0x2f8);
    /// The third port: drivers that are pushed.
    pub const COM3: SerialBase = SerialBase(0x3e8);

    /// Sets up the port at `base`. Returns `None` if no UART answers there.
    pub fn open(base: SerialBase) -> Option<Self> {
        let mut port = Self::already_open(base)?;
        port.0.init(Config::default()).ok()?;
        Some(port)
    }

    /// Returns the port at `base`, which was set up before. A CPU that goes down calls this while another CPU holds the port's
    /// lock.
    pub fn already_open(base: SerialBase) -> Option<Self> {
        // SAFETY: only this file makes a `SerialBase`: `COM1`, `COM2` and `COM3`. On a PC, these are the ports of a UART or of no device, so
        // no read of them and no write to them touches memory.
        unsafe { Uart16550::new_port(base.0) }.ok().map(|port| Self(port, base))
    }

    /// Sends the first of the bytes, as many as the port takes now, at most 16. Returns how many it took.
    pub fn try_send(&mut self, bytes: &[u8]) -> usize {
        if bytes.is_empty() || self.0.ready_to_send().is_err() {
            return 0;
        }
        // An empty FIFO takes so many bytes in a row (PC16550D, "FIFO Polled Mode Operation").
        let room = if self.0.fifo_enabled() { FIFO_SIZE } else { 1 };
        let bytes = &bytes[..bytes.len().min(room)];
        write_bytes(self.1, bytes);
        bytes.len()
    }

    /// Reads the bytes that have arrived, as many as fit. Returns how many.
    pub fn receive(&mut self, bytes: &mut [u8]) -> usize {
        self.0.receive_bytes(bytes)
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

/// Writes the bytes to the port's data register, which is its first one, one after the other.
fn write_bytes(base: SerialBase, bytes: &[u8]) {
    // SAFETY: `base` is the data register of a serial port, to which a write touches no memory. The instruction reads the bytes of the
    // slice. By the System V ABI the direction flag is clear.
    unsafe {
        asm!(
            "rep outsb",
            in("dx") base.0,
            inout("rcx") bytes.len() => _,
            inout("rsi") bytes.as_ptr() => _,
            options(readonly, nostack, preserves_flags)
        );
    }
}

/// The receiving half of a serial port that a [`SerialPort`] has set up. The halves share no register that one of them writes.
pub struct SerialReceiver(SerialPort);

impl SerialReceiver {
    /// Returns the receiver of the port at `base`, which was set up before.
    pub fn of(base: SerialBase) -> Option<Self> {
        SerialPort::already_open(base).map(Self)
    }

    /// Reads the bytes that have arrived, as many as fit. Returns how many.
    pub fn receive(&mut self, bytes: &mut [u8]) -> usize {
        self.0.receive(bytes)
    }

    /// Makes the port interrupt while bytes have arrived, or not.
    pub fn set_interrupting(&mut self, is_on: bool) {
        if is_on {
            self.0.0.enable_interrupts(IER::DATA_READY);
        } else {
            self.0.0.disable_interrupts(IER::DATA_READY);
        }
    }
}
