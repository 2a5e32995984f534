//! The admin queue: one command at a time, waited for with a time limit.
use crate::registers::{ACQ, AQA, ASQ, Command, Completion, PAGE, PHASE};
use driver_kit::device::Device;
use driver_kit::dma::{DmaCell, SharedDma};
use driver_kit::mmio::{Bar, Register};
use driver_kit::time;

/// Entries of both admin queues.
const ENTRIES: usize = 16;
/// The longest that an admin command may take.
const LIMIT_NS: u64 = 5_000_000_000;

const CREATE_SUBMISSION: u32 = 1;
const CREATE_COMPLETION: u32 = 5;
const IDENTIFY: u32 = 6;
const SET_FEATURES: u32 = 9;
/// Set Features: the number of queues.
const FEATURE_QUEUES: u32 = 7;
/// A queue is contiguous.
const CONTIGUOUS: u32 = 1;
/// A completion queue raises interrupts.
const INTERRUPTS: u32 = 2;

/// Why an admin command has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The controller does not answer.
    Silent,
    /// The controller reports this status.
    Status(u32),
}

/// What an Identify command returns: words of 32 bits.
pub type Identity = [DmaCell<u32>; PAGE as usize / 4];

/// An I/O queue pair that is to be created.
#[derive(Clone, Copy)]
pub struct NewPair {
    /// The number of both queues, from 1.
    pub id: u16,
    pub entries: usize,
    pub submission: u64,
    pub completion: u64,
    /// The interrupt of the completion queue, if it has one.
    pub interrupt: Option<u16>,
}

/// The admin queue of a controller.
pub struct Admin<'d> {
    submission: SharedDma<'d, [Command; ENTRIES]>,
    completion: SharedDma<'d, [Completion; ENTRIES]>,
    identity: SharedDma<'d, Identity>,
    tail_doorbell: Register<'d, u32>,
    head_doorbell: Register<'d, u32>,
    /// The commands so far.
    count: usize,
}

impl<'d> Admin<'d> {
    /// Allocates the queue.
    pub fn new(device: Device<'d>, registers: Bar<'d>, stride: usize) -> Option<Self> {
        Some(Self {
            submission: device.allocate_shared()?,
            completion: device.allocate_shared()?,
            identity: device.allocate_shared()?,
            tail_doorbell: registers.register(crate::registers::DOORBELLS)?,
            head_doorbell: registers.register(crate::registers::DOORBELLS + stride)?,
            count: 0,
        })
    }

    /// Empties the queue, and tells the controller, which is disabled, where it lies. Returns `None` if it has no such registers.
    pub fn prepare(&mut self, registers: Bar<'_>) -> Option<()> {
        self.count = 0;
        for completion in self.completion.iter() {
            completion.status.set(0);
        }
        let sizes = (ENTRIES as u32 - 1) << 16 | (ENTRIES as u32 - 1);
        registers.register::<u32>(AQA)?.write(sizes);
        registers.register::<u64>(ASQ)?.write(self.submission.device_address());
        registers.register::<u64>(ACQ)?.write(self.completion.device_address());
        Some(())
    }

    /// Reads the description of the controller (`what` 1) or of a namespace (`what` 0).
    pub fn identify(&mut self, what: u32, namespace: u32) -> Result<&Identity, Failure> {
        let data = self.identity.device_address();
        self.run(IDENTIFY, namespace, data, [what, 0])?;
        Ok(&self.identity)
    }

    /// Asks for so many I/O queue pairs. Returns how many the controller gives, which may be more.
    pub fn request_pairs(&mut self, count: u32) -> Result<u32, Failure> {
        let wanted = count.saturating_sub(1).min(0xfffe);
        let given = self.run(SET_FEATURES, 0, 0, [FEATURE_QUEUES, wanted << 16 | wanted])?;
        Ok((given & 0xffff).min(given >> 16) + 1)
    }

    /// Creates an I/O queue pair.
    pub fn create(&mut self, pair: &NewPair) -> Result<(), Failure> {
        let id_and_size = (pair.entries as u32 - 1) << 16 | u32::from(pair.id);
        let flags =
            pair.interrupt.map_or(CONTIGUOUS, |vector| u32::from(vector) << 16 | INTERRUPTS | CONTIGUOUS);
        self.run(CREATE_COMPLETION, 0, pair.completion, [id_and_size, flags])?;
        self.run(
            CREATE_SUBMISSION,
            0,
            pair.submission,
            [id_and_size, u32::from(pair.id) << 16 | CONTIGUOUS],
        )?;
        Ok(())
    }

    /// Runs a command with its words 10 and 11, and returns the result.
    fn run(&mut self, opcode: u32, namespace: u32, data: u64, words: [u32; 2]) -> Result<u32, Failure> {
        let (index, is_even_round) = (self.count % ENTRIES, (self.count / ENTRIES).is_multiple_of(2));
        let (command, completion) = (&self.submission[index], &self.completion[index]);
        let id = index as u32;
        command.opcode.set(opcode as u16);
        command.id.set(id as u16);
        command.namespace.set(namespace);
        command.data.set(data);
        command.block.set(u64::from(words[1]) << 32 | u64::from(words[0]));
        self.count += 1;
        let next = (self.count % ENTRIES) as u32;
        self.tail_doorbell.write(next);

        let phase = if is_even_round { PHASE } else { 0 };
        let limit = time::now_ns() + LIMIT_NS;
        let mut status = completion.status.get();
        while status & PHASE != phase {
            if time::now_ns() > limit {
                return Err(Failure::Silent);
            }
            core::hint::spin_loop();
            driver_kit::thread::yield_now();
            status = completion.status.get();
        }
        self.head_doorbell.write(next);
        match status >> 17 {
            0 if status & 0xffff == id => Ok(completion.result.get()),
            0 => Err(Failure::Silent),
            status => Err(Failure::Status(status)),
        }
    }
}
