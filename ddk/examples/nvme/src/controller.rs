//! Bringing up a controller: reset, admin queue, what it and its first namespace are, and its I/O queues.
use crate::admin::{Admin, Failure};
use crate::counters::Counters;
use crate::pair::Pair;
use crate::placement::Cpus;
use crate::queue::Queue;
use crate::registers::{CAP, CC, CC_ENABLE, CSTS, CSTS_FATAL, CSTS_READY, ENTRIES, GONE, LIST, PAGE};
use core::fmt;
use driver_kit::device::{Device, enable};
use driver_kit::interrupt::{Interrupts, kinds};
use driver_kit::mmio::{Bar, Caching, Register};
use driver_kit::{thread, time};

/// The most bytes of registers that are mapped.
const MOST_REGISTERS: u64 = 1 << 20;
/// The namespace that is the disk.
const NAMESPACE: u32 = 1;

/// Why a controller does not serve a disk.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// There is no memory, or too little of the BAR, for this.
    NoMemory(&'static str),
    /// The device may not be enabled.
    NotEnabled,
    /// The controller has no namespace 1.
    Empty,
    /// The controller's registers say something that the driver does not support.
    Unsupported(&'static str),
    /// The controller did not become ready, or not disabled, in so many milliseconds.
    NotReady(u64),
    /// An admin command failed.
    Command(&'static str, Failure),
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory(what) => write!(to, "there is no room for {what}"),
            Self::NotEnabled => to.write_str("the device cannot be enabled"),
            Self::Empty => to.write_str("the controller has no namespace 1"),
            Self::Unsupported(what) => write!(to, "{what}"),
            Self::NotReady(time_ms) => write!(to, "the controller is not ready after {time_ms} ms"),
            Self::Command(what, Failure::Silent) => write!(to, "the controller does not answer to {what}"),
            Self::Command(what, Failure::Status(status)) => {
                write!(to, "{what} failed with status {status:#x}")
            }
        }
    }
}

/// A controller's registers.
pub struct Controller<'d> {
    pub device: Device<'d>,
    registers: Bar<'d>,
    configuration: Register<'d, u32>,
    status: Register<'d, u32>,
    /// Bytes from one doorbell to the next.
    stride: usize,
    /// Entries of an I/O queue: a power of two.
    pub entries: usize,
    /// The smallest page that the controller supports, as a power of two.
    page_shift: u32,
    /// How long it may take to become ready.
    limit_ms: u64,
    /// The numbers of the disk.
    pub counters: &'d Counters,
}

/// What the first namespace is.
#[derive(Clone, Copy)]
pub struct Namespace {
    pub block_size: u32,
    pub blocks: u64,
    pub max_bytes: u64,
}

/// The queues of a disk.
pub struct Queues<'d> {
    pub queues: &'d [&'d Queue<'d>],
    /// The interrupts, if there are any. Queue i raises interrupt i modulo their number.
    pub interrupts: Option<Interrupts<'d>>,
}

impl<'d> Controller<'d> {
    /// Maps the registers and resets the controller.
    pub fn new(device: Device<'d>) -> Result<Self, Fault> {
        if !device.enable(enable::MEMORY | enable::BUS_MASTER) {
            return Err(Fault::NotEnabled);
        }
        let bytes = device.info().Bars[0].Size.min(MOST_REGISTERS) as usize;
        let registers = device.map(0, 0, bytes, Caching::Uncached);
        let registers = registers.ok_or(Fault::NoMemory("the registers"))?;
        let in_bar = |register| Option::ok_or(register, Fault::NoMemory("the registers"));
        let capabilities: u64 = registers.register(CAP).ok_or(Fault::NoMemory("the registers"))?.read();
        if capabilities == u64::MAX {
            return Err(Fault::Unsupported("the device is gone"));
        }
        let entries = (capabilities & 0xffff) as usize + 1;
        let controller = Self {
            device,
            registers,
            configuration: in_bar(registers.register(CC))?,
            status: in_bar(registers.register(CSTS))?,
            stride: 4 << (capabilities >> 32 & 0xf),
            // The largest power of two that is not above.
            entries: (1 << entries.ilog2()).min(ENTRIES),
            page_shift: (capabilities >> 48 & 0xf) as u32 + PAGE.ilog2(),
            limit_ms: ((capabilities >> 24 & 0xff) * 500).max(500),
            counters: device.keep(Counters::default()).ok_or(Fault::NoMemory("the counters"))?,
        };
        if controller.page_shift != PAGE.ilog2() {
            return Err(Fault::Unsupported("the controller has no pages of 4 KiB"));
        }
        if controller.entries < 2 {
            return Err(Fault::Unsupported("the controller's queues have one entry"));
        }
        controller.disable()?;
        Ok(controller)
    }

    /// Creates the admin queue and enables the controller.
    pub fn start(&self) -> Result<Admin<'d>, Fault> {
        let admin = Admin::new(self.device, self.registers, self.stride);
        let mut admin = admin.ok_or(Fault::NoMemory("the admin queue"))?;
        self.enable(&mut admin)?;
        Ok(admin)
    }

    fn enable(&self, admin: &mut Admin<'_>) -> Result<(), Fault> {
        admin.prepare(self.registers).ok_or(Fault::NoMemory("the registers"))?;
        self.configuration.write(CC_ENABLE);
        self.wait_until_ready(CSTS_READY)
    }

    /// Enables the controller again, after it was disabled, and creates the same pairs of queues, which are empty.
    pub fn restart(&self, admin: &mut Admin<'_>, queues: &[&Queue<'_>]) -> Result<(), Fault> {
        self.enable(admin)?;
        let wanted = queues.iter().flat_map(|queue| queue.pairs()).count() as u32;
        let given = admin.request_pairs(wanted).map_err(|failure| Fault::Command("Set Features", failure))?;
        if given < wanted {
            return Err(Fault::Unsupported("the controller has fewer queues than before"));
        }
        for pair in queues.iter().flat_map(|queue| queue.pairs()) {
            let failed = |failure| Fault::Command("Create I/O Queue", failure);
            admin.create(&pair.description()).map_err(failed)?;
        }
        Ok(())
    }

    /// Disables the controller, which then accesses no memory.
    pub fn disable(&self) -> Result<(), Fault> {
        self.configuration.write(0);
        self.wait_until_ready(0)
    }

    fn wait_until_ready(&self, ready: u32) -> Result<(), Fault> {
        let limit = time::now_ns() + self.limit_ms * 1_000_000;
        while self.status.read() & CSTS_READY != ready {
            if self.has_failed() || time::now_ns() > limit {
                return Err(Fault::NotReady(self.limit_ms));
            }
            core::hint::spin_loop();
            thread::yield_now();
        }
        Ok(())
    }

    fn has_failed(&self) -> bool {
        let status = self.status.read();
        status == GONE || status & CSTS_FATAL != 0
    }

    /// Returns true if the device is gone, or the controller, which was started, has failed. Where nothing answers, a register has all ones,
    /// or zeros in some machines.
    pub fn is_lost(&self) -> bool {
        self.has_failed() || self.status.read() & CSTS_READY == 0
    }

    /// Reads what the controller and its first namespace are.
    pub fn identify(&self, admin: &mut Admin<'_>) -> Result<Namespace, Fault> {
        let failed = |failure| Fault::Command("Identify", failure);
        // Byte 77 is the most bytes of a command: pages, as a power of two; 0 stands for no limit.
        let pages_shift = admin.identify(1, 0).map_err(failed)?[19].get() >> 8 & 0xff;
        let most_here = LIST as u64 * PAGE;
        let max_bytes = match pages_shift {
            1..64 => 1_u64.checked_shl(pages_shift + self.page_shift).unwrap_or(most_here).min(most_here),
            _ => most_here,
        };
        let namespace = admin.identify(0, NAMESPACE).map_err(failed)?;
        let blocks = u64::from(namespace[1].get()) << 32 | u64::from(namespace[0].get());
        if blocks == 0 {
            return Err(Fault::Empty);
        }
        // Byte 26 has the number of the format, whose description is a word from byte 128 on.
        let format = namespace[32 + (namespace[6].get() >> 16 & 0xf) as usize].get();
        let (metadata, shift) = (format & 0xffff, format >> 16 & 0xff);
        if metadata != 0 || !(9..=16).contains(&shift) {
            return Err(Fault::Unsupported("the blocks have metadata, or a size that is not supported"));
        }
        Ok(Namespace { block_size: 1 << shift, blocks, max_bytes: max_bytes.max(1 << shift) })
    }

    /// Creates a queue for each of the CPUs, as far as the controller has queues; the others are left out of `cpus`. If the device has
    /// interrupts, each queue has a pair that raises the interrupt with the queue's index, as far as there are so many, else the first.
    pub fn create_queues(&self, admin: &mut Admin<'_>, cpus: &mut Cpus) -> Result<Queues<'d>, Fault> {
        let wanted = 2 * cpus.count() as u32;
        let given = admin.request_pairs(wanted).map_err(|failure| Fault::Command("Set Features", failure))?;
        cpus.truncate(given as usize);
        let count = cpus.count();
        let interrupts = self.device.interrupts(1, count as u32, kinds::MSIX | kinds::MSI);
        let has_both = interrupts.is_some() && given as usize >= 2 * count;
        let mut fault = None;
        let queues = self.device.keep_each(count, |index| {
            let mut create = |number: usize, interrupt| {
                self.create_pair(admin, number as u16 + 1, interrupt)
                    .map_err(|failed| fault = Some(failed))
                    .ok()
            };
            let vector = interrupts.map(|interrupts| index as u16 % interrupts.count() as u16);
            let interrupting = create(index, vector)?;
            if has_both {
                return Some(Queue::new(create(count + index, None)?, Some(interrupting)));
            }
            Some(Queue::new(interrupting, None))
        });
        let queues = queues.and_then(|queues| self.device.keep_each(count, |index| queues.get(index)));
        let queues = queues.ok_or(fault.unwrap_or(Fault::NoMemory("the queues")))?;
        Ok(Queues { queues, interrupts })
    }

    fn create_pair(&self, admin: &mut Admin<'_>, id: u16, interrupt: Option<u16>) -> Result<Pair<'d>, Fault> {
        let size = (self.entries, self.stride);
        let pair = Pair::new(self.device, self.registers, (id, interrupt), size, self.counters);
        let pair = pair.ok_or(Fault::NoMemory("a queue"))?;
        admin.create(&pair.description()).map_err(|failure| Fault::Command("Create I/O Queue", failure))?;
        Ok(pair)
    }
}
