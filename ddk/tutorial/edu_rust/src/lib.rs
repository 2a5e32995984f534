//! edu_rust: drives QEMU's teaching device. It has the device compute a factorial, and copy a page through itself.
//! docs/driver-guide.md explains each step.
#![no_std]
#![forbid(unsafe_code)]

use driver_kit::device::{Device, DeviceMatch, enable};
use driver_kit::dma::Dma;
use driver_kit::driver::{DeviceDriver, Refusal};
use driver_kit::info;
use driver_kit::interrupt::{Handled, kinds};
use driver_kit::mmio::{Bar, Caching, Register};
use driver_kit::sync::Semaphore;

/// The status that has the device raise an interrupt after each factorial.
const STATUS_INTERRUPTS: u32 = 0x80;

/// Bits of the command: start, from the device to memory, with an interrupt.
const START: u32 = 1;
const TO_MEMORY: u32 = 2;
const INTERRUPT: u32 = 4;

/// Where the device's memory begins, as its DMA engine counts.
const OWN_MEMORY: u64 = 0x4_0000;

/// The highest address that its DMA engine reaches.
const HIGHEST_ADDRESS: u64 = 0xfff_ffff;

/// The bytes that are copied.
const LENGTH: u32 = 2048;
const SECOND_NS: u64 = 1_000_000_000;

driver_kit::driver! { devices = Driver }

struct Driver;

impl DeviceDriver for Driver {
    const DEVICES: &'static [DeviceMatch] = &[DeviceMatch::ids(0x1234, 0x11e8)];
    type State<'d> = &'d Edu<'d>;

    fn add(device: Device<'_>) -> Result<&Edu<'_>, Refusal> {
        if !device.enable(enable::MEMORY | enable::BUS_MASTER) {
            return Err(Refusal(-1));
        }
        let bar = device.map(0, 0, 0x1000, Caching::Uncached).ok_or(Refusal(-2))?;
        // The interrupt's function finds it there.
        let edu = device.keep(Edu::new(bar).ok_or(Refusal(-2))?).ok_or(Refusal(-3))?;
        if edu.identity.read() & 0xff != 0xed {
            return Err(Refusal(-4));
        }
        let interrupts = device.interrupts(1, 1, kinds::MSI | kinds::INTX).ok_or(Refusal(-5))?;
        if !interrupts.attach(0, None, edu, Edu::on_interrupt) || !edu.computes() {
            return Err(Refusal(-5));
        }
        info!("10! is {}, the device says with an interrupt", edu.factorial.read());
        let buffer = device.allocate_up_to(HIGHEST_ADDRESS).ok_or(Refusal(-6))?;
        if !edu.copies(buffer) {
            return Err(Refusal(-7));
        }
        info!("{LENGTH} bytes went through the device and came back");
        Ok(edu)
    }

    fn remove(edu: &&Edu<'_>) {
        edu.status.write(0); // No interrupts any more, for whoever has the device next.
    }
}

/// A device of this kind.
struct Edu<'d> {
    identity: Register<'d, u32>,
    factorial: Register<'d, u32>,
    status: Register<'d, u32>,
    raised: Register<'d, u32>,
    acknowledge: Register<'d, u32>,
    source: Register<'d, u32>,
    target: Register<'d, u32>,
    length: Register<'d, u32>,
    command: Register<'d, u32>,
    /// One unit for each interrupt.
    answers: Semaphore,
}

impl<'d> Edu<'d> {
    /// Returns `None` if the BAR is too small.
    fn new(bar: Bar<'d>) -> Option<Self> {
        Some(Self {
            identity: bar.register(0x00)?,
            factorial: bar.register(0x08)?,
            status: bar.register(0x20)?,
            raised: bar.register(0x24)?,
            acknowledge: bar.register(0x64)?,
            source: bar.register(0x80)?,
            target: bar.register(0x88)?,
            length: bar.register(0x90)?,
            command: bar.register(0x98)?,
            answers: Semaphore::new(0),
        })
    }

    fn on_interrupt(&self) -> Handled {
        let raised = self.raised.read();
        if raised == 0 {
            return Handled::NotMine; // The line is shared, and another device has raised it.
        }
        self.acknowledge.write(raised);
        self.answers.up();
        Handled::Yes
    }

    fn computes(&self) -> bool {
        self.status.write(STATUS_INTERRUPTS);
        self.factorial.write(10);
        self.answers.down_for(SECOND_NS) && self.factorial.read() == 3_628_800
    }

    fn copy(&self, source: u64, target: u64, direction: u32) -> bool {
        self.source.write(source as u32);
        self.target.write(target as u32);
        self.length.write(LENGTH);
        self.command.write(START | INTERRUPT | direction);
        self.answers.down_for(SECOND_NS)
    }

    /// Copies the first half of the buffer to the device, and from there to the second half.
    fn copies(&self, mut buffer: Dma<'_, Buffer>) -> bool {
        for (value, word) in (1..).zip(&mut buffer[0]) {
            *word = value;
        }
        // From here on, nobody reads or writes the buffer here.
        let buffer = buffer.hand_over();
        let address = buffer.device_address();
        let is_copied = self.copy(address, OWN_MEMORY, 0)
            && self.copy(OWN_MEMORY, address + u64::from(LENGTH), TO_MEMORY);
        // A device that has not answered still has the buffer: it goes back with the device.
        is_copied && {
            let buffer = buffer.take_back();
            buffer[0] == buffer[1]
        }
    }
}

/// The words that are sent, and those that come back.
type Buffer = [[u32; LENGTH as usize / 4]; 2];
