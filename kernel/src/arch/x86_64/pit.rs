//! Channel 2 of the PIT as a counter (Intel 8254). The channel drives only the speaker. Channel 0, which interrupts, can be stopped.
use super::instructions::InterruptsOff;
use ::x86_64::instructions::port::Port;
use spin::Mutex;

const CHANNEL_2: u16 = 0x42;
const CONTROL: u16 = 0x43;
/// Bit 0 lets channel 2 count, bit 1 connects it to the speaker.
const GATE: u16 = 0x61;

/// Command: channel 2, both bytes, mode 2. The count starts again when it ends.
const COUNT_AGAIN: u8 = 0b1011_0100;
/// Command: channel 0, both bytes, mode 0. It waits for a count, and interrupts no more.
const WAIT_FOR_COUNT: u8 = 0b0011_0000;
/// Command: channel 2 holds the count until both of its bytes are read.
const LATCH: u8 = 0b1000_0000;

/// Held while a CPU uses the ports, because a value takes several accesses.
static PORTS: Mutex<()> = Mutex::new(());

/// Starts the counter. It counts through all 16 bits, then starts again. Returns false if there is no PIT: nothing answers at the
/// gate's port then, which reads as all bits set.
pub fn start_pit() -> bool {
    with_ports(|| {
        let mut gate = Port::<u8>::new(GATE);
        let mut channel = Port::<u8>::new(CHANNEL_2);
        // SAFETY: channel 2 drives only the speaker, which the write to the gate disconnects. Only this file uses these ports,
        // one CPU at a time.
        unsafe {
            let before = gate.read();
            if before == 0xff {
                return false;
            }
            gate.write(before & !0x03 | 0x01);
            Port::<u8>::new(CONTROL).write(COUNT_AGAIN);
            // 0 stands for 65536.
            channel.write(0);
            channel.write(0);
            true
        }
    })
}

/// Returns the steps that the counter has made since it last started: a number of 16 bits.
pub fn read_pit() -> u16 {
    with_ports(|| {
        let mut channel = Port::<u8>::new(CHANNEL_2);
        // SAFETY: these accesses only hold and read the count. Only this file uses these ports, one CPU at a time.
        let left = unsafe {
            Port::<u8>::new(CONTROL).write(LATCH);
            u16::from_le_bytes([channel.read(), channel.read()])
        };
        left.wrapping_neg()
    })
}

/// Stops the interrupts of channel 0, which firmware uses. An emulator may raise one more, up to 55 ms later. Nothing happens if there is no
/// PIT.
pub fn stop_pit_interrupts() {
    // SAFETY: only this file uses the ports, one CPU at a time. A channel that waits does nothing.
    with_ports(|| unsafe { Port::<u8>::new(CONTROL).write(WAIT_FOR_COUNT) });
}

fn with_ports<T>(access: impl FnOnce() -> T) -> T {
    let _off = InterruptsOff::new();
    let _lock = PORTS.lock();
    access()
}
