//! The serial ports, by `uart_16550`.
use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550};

/// The looks at a port that does not take bytes before the rest of the bytes is given up: a port that hangs must not hang
/// the kernel. At 115,200 baud a byte takes some 87 µs.
const PATIENCE: u32 = 10_000_000;

/// A 16550 UART at one of the PC's usual ports.
pub struct SerialPort(Uart16550<PioBackend>);

impl SerialPort {
    /// The first port, for people.
    pub const COM1: u16 = 0x3f8;
    /// The second port, for programs.
    pub const COM2: u16 = 0x2f8;

    /// Sets up the port at `base`; `None` where nothing answers.
    pub fn open(base: u16) -> Option<Self> {
        let mut port = Self::already_open(base)?;
        port.0.init(Config::default()).ok()?;
        Some(port)
    }

    /// The port at `base`, which has been set up before; for a CPU that goes down while another holds the port's lock.
    pub fn already_open(base: u16) -> Option<Self> {
        // SAFETY: the PC's COM ports are at these addresses; writing to one that is absent changes nothing.
        unsafe { Uart16550::new_port(base) }.ok().map(Self)
    }

    /// Sends the bytes, waiting for room, but not for ever.
    pub fn send(&mut self, mut bytes: &[u8]) {
        let mut patience = PATIENCE;
        while !bytes.is_empty() && patience > 0 {
            let sent = self.0.send_bytes(bytes);
            bytes = &bytes[sent..];
            if sent == 0 {
                patience -= 1;
                core::hint::spin_loop();
            }
        }
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
