//! edu_rust: drives QEMU's teaching device. It has the device compute a factorial, and copy a page through itself.
//! docs/driver-guide.md explains each step.
#![no_std]
#![forbid(unsafe_code)]

use driver_kit::device::{Device, DeviceMatch, enable};
use driver_kit::dma::{Dma, DmaCell};
use driver_kit::driver::Refusal;
use driver_kit::interrupt::{Handled, kinds};
use driver_kit::mmio::{Caching, Mapping, Register};
use driver_kit::sync::Semaphore;
use driver_kit::{info, memory};

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

driver_kit::driver! { init = start, devices = [DeviceMatch::ids(0x1234, 0x11e8)], add_device = add }

fn start() {}

struct Edu {
    identity: Register<'static, u32>,
    factorial: Register<'static, u32>,
    status: Register<'static, u32>,
    raised: Register<'static, u32>,
    acknowledge: Register<'static, u32>,
    source: Register<'static, u32>,
    target: Register<'static, u32>,
    length: Register<'static, u32>,
    command: Register<'static, u32>,
    /// One unit for each interrupt.
    answers: Semaphore,
}

impl Edu {
    fn new(registers: &'static Mapping<'static>) -> Option<Self> {
        let register = |offset| registers.register(offset);
        Some(Self {
            identity: register(0x00)?,
            factorial: register(0x08)?,
            status: register(0x20)?,
            raised: register(0x24)?,
            acknowledge: register(0x64)?,
            source: register(0x80)?,
            target: register(0x88)?,
            length: register(0x90)?,
            command: register(0x98)?,
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
    fn copies(&self, buffer: &Dma<'_, Buffer>) -> bool {
        let [sent, received] = &**buffer;
        for (value, cell) in (1..).zip(sent) {
            cell.set(value);
        }
        let address = buffer.device_address();
        self.copy(address, OWN_MEMORY, 0)
            && self.copy(OWN_MEMORY, address + u64::from(LENGTH), TO_MEMORY)
            && sent.iter().zip(received).all(|(sent, received)| sent.get() == received.get())
    }
}

/// The bytes that are sent, and those that come back.
type Buffer = [[DmaCell<u32>; LENGTH as usize / 4]; 2];

fn add(device: Device) -> Result<(), Refusal> {
    // The interrupt's context stays for good, so the device does, too.
    let device = memory::keep(device, None).ok_or(Refusal(-1))?;
    let run = || {
        let registers = device.map(0, 0, 0x1000, Caching::Uncached).ok_or(Refusal(-2))?;
        let registers = memory::keep(registers, None).ok_or(Refusal(-1))?;
        let edu = memory::keep(Edu::new(registers).ok_or(Refusal(-2))?, None).ok_or(Refusal(-1))?;
        if !device.enable(enable::MEMORY | enable::BUS_MASTER) || edu.identity.read() & 0xff != 0xed {
            return Err(Refusal(-3));
        }
        let granted = device.allocate_interrupts(1, 1, kinds::MSI | kinds::INTX);
        if granted.is_none() || !device.attach_interrupt(0, None, edu, Edu::on_interrupt) {
            return Err(Refusal(-4));
        }
        if !edu.computes() {
            return Err(Refusal(-5));
        }
        info!("10! is {}, the device says with an interrupt", edu.factorial.read());
        let buffer = device.allocate_up_to(HIGHEST_ADDRESS).ok_or(Refusal(-6))?;
        if !edu.copies(&buffer) {
            return Err(Refusal(-7));
        }
        info!("{LENGTH} bytes went through the device and came back");
        Ok(())
    };
    run().inspect_err(|_| {
        // A kept device is not given back: turn it off.
        let _ = device.enable(0);
    })
}
