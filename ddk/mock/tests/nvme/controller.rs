//! A controller of NVMe disks (NVM Express 1.4), as far as the driver uses it, with a disk in memory.
use driver_mock::{Bus, DeviceModel, Pci, Random};
use std::collections::{BTreeMap, HashMap};

pub const BLOCK: usize = 512;
pub const BLOCKS: u64 = 1 << 16;
const PAGE: u64 = 4096;
/// Most bytes of a command: 2^5 pages.
const LARGEST_SHIFT: u8 = 5;

/// A submission queue.
#[derive(Clone, Copy)]
struct Submission {
    address: u64,
    entries: u32,
    head: u32,
    tail: u32,
    completion: u16,
}

/// A completion queue.
#[derive(Clone, Copy)]
pub struct Completion {
    address: u64,
    entries: u32,
    /// The first entry that the driver has not said it has seen.
    head: u32,
    tail: u32,
    phase: bool,
    vector: Option<u16>,
}

impl Completion {
    fn new(address: u64, entries: u32, vector: Option<u16>) -> Self {
        Self { address, entries, head: 0, tail: 0, phase: true, vector }
    }

    /// Returns true if the driver has said that it has seen all entries.
    pub fn is_seen(&self) -> bool {
        self.head == self.tail
    }

    /// Returns true if there is no room for an entry. One place stays free.
    fn is_full(&self) -> bool {
        (self.tail + 1) % self.entries == self.head
    }
}

/// Returns what the driver has written to the doorbell of a queue with so many entries.
fn checked(doorbell: u32, entries: u32) -> u32 {
    assert!(doorbell < entries, "a doorbell has {doorbell}, and the queue {entries} entries");
    doorbell
}

/// A command that was fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    pub queue: u16,
    pub opcode: u8,
    pub id: u16,
    pub data: [u64; 2],
    pub words: [u32; 3],
}

/// The controller.
pub struct Controller {
    configuration: u32,
    is_ready: bool,
    admin: (u32, u64, u64),
    submissions: BTreeMap<u16, Submission>,
    pub completions: BTreeMap<u16, Completion>,
    /// The queue pairs that it gives.
    pub pairs: u32,
    /// Entries of a queue.
    pub entries: u32,
    /// It fetches commands of I/O queues, and does not complete them.
    pub is_silent: bool,
    /// It ends its next I/O commands with these statuses.
    pub statuses: Vec<u16>,
    /// The I/O commands so far.
    pub commands: Vec<Command>,
    /// How often it was enabled.
    pub starts: u32,
    /// It writes completions over those that the driver has not seen.
    pub overruns: bool,
    /// It does not become ready.
    pub is_broken: bool,
    /// It raises so many more interrupts.
    pub interrupts: u32,
    /// It completes I/O commands in any order.
    pub order: Option<Random>,
    /// I/O commands that were fetched and not completed.
    held: Vec<Command>,
    /// The blocks that were written.
    disk: HashMap<u64, [u8; BLOCK]>,
}

impl Controller {
    pub fn new() -> Self {
        Self {
            configuration: 0,
            is_ready: false,
            admin: (0, 0, 0),
            submissions: BTreeMap::new(),
            completions: BTreeMap::new(),
            pairs: 8,
            entries: 64,
            is_silent: false,
            statuses: Vec::new(),
            commands: Vec::new(),
            starts: 0,
            overruns: false,
            is_broken: false,
            interrupts: u32::MAX,
            order: None,
            held: Vec::new(),
            disk: HashMap::new(),
        }
    }

    /// Returns what it is on PCI.
    pub fn pci() -> Pci {
        Pci::new(0x1b36, 0x10).class(0x01_0802).memory_bar(0, 0x4000).msix(4)
    }

    pub fn block(&self, number: u64) -> [u8; BLOCK] {
        self.disk.get(&number).copied().unwrap_or([0; BLOCK])
    }

    fn set_configuration(&mut self, value: u32) {
        let was_on = self.configuration & 1 != 0;
        self.configuration = value;
        if value & 1 == 0 {
            self.is_ready = false;
            self.submissions.clear();
            self.completions.clear();
            self.held.clear();
        } else if !was_on && !self.is_broken {
            let (sizes, submission, completion) = self.admin;
            self.submissions.insert(
                0,
                Submission {
                    address: submission,
                    entries: (sizes & 0xfff) + 1,
                    head: 0,
                    tail: 0,
                    completion: 0,
                },
            );
            self.completions.insert(0, Completion::new(completion, (sizes >> 16 & 0xfff) + 1, None));
            self.is_ready = true;
            self.starts += 1;
        }
    }

    fn ring(&mut self, bus: &Bus, offset: u64, value: u32) {
        let (queue, is_head) = ((offset / 8) as u16, offset % 8 == 4);
        if is_head {
            if let Some(completion) = self.completions.get_mut(&queue) {
                completion.head = checked(value, completion.entries);
                bus.work();
            }
        } else if let Some(submission) = self.submissions.get_mut(&queue) {
            submission.tail = checked(value, submission.entries);
            bus.work();
        }
    }

    /// Returns true if the completion queue of a submission queue has no room. The controller then waits for the driver.
    fn is_full(&self, queue: u16) -> bool {
        let completion =
            self.submissions.get(&queue).and_then(|submission| self.completions.get(&submission.completion));
        !self.overruns && completion.is_some_and(Completion::is_full)
    }

    fn fetch(&mut self, bus: &Bus) -> Option<Command> {
        let next = self.submissions.iter().find(|(queue, submission)| {
            // An administrative command is completed at once.
            submission.head != submission.tail && (**queue != 0 || !self.is_full(0))
        });
        let queue = *next?.0;
        let submission = self.submissions.get_mut(&queue)?;
        let bytes: [u8; 64] = bus.read_array(submission.address + u64::from(submission.head) * 64);
        submission.head = (submission.head + 1) % submission.entries;
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        Some(Command {
            queue,
            opcode: bytes[0],
            id: word(0).to_be_bytes()[..2].try_into().map(u16::from_be_bytes).unwrap(),
            data: [long(24), long(32)],
            words: [word(40), word(44), word(48)],
        })
    }

    /// Writes a completion with this id and status into a queue, and raises its interrupt.
    pub fn complete(&mut self, bus: &Bus, queue: u16, id: u16, status: u16, result: u32) {
        let Some(completion) = self.completions.get_mut(&queue) else { return };
        let status = u32::from(id) | u32::from(completion.phase) << 16 | u32::from(status) << 17;
        let at = completion.address + u64::from(completion.tail) * 16;
        bus.write(at, &result.to_le_bytes());
        bus.write(at + 8, &u32::from(queue).to_be_bytes());
        bus.write(at + 12, &status.to_le_bytes());
        completion.tail = (completion.tail + 1) % completion.entries;
        completion.phase ^= completion.tail == 0;
        if let Some(vector) = completion.vector.filter(|_| self.interrupts > 0) {
            self.interrupts -= 1;
            bus.raise(vector);
        }
    }

    /// Moves the end of a completion queue anywhere, as if the driver had seen it up to there, and changes its phase or not.
    pub fn misplace(&mut self, queue: u16, tail: u32, phase: bool) {
        if let Some(completion) = self.completions.get_mut(&queue) {
            (completion.tail, completion.phase) = (tail % completion.entries, phase);
            completion.head = completion.tail;
        }
    }

    fn run_admin(&mut self, bus: &Bus, command: &Command) -> (u16, u32) {
        let [first, second, _] = command.words;
        match command.opcode {
            // Identify.
            6 => {
                let mut data = [0_u8; PAGE as usize];
                if first & 0xff == 1 {
                    data[77] = LARGEST_SHIFT;
                } else {
                    data[..8].copy_from_slice(&BLOCKS.to_le_bytes());
                    data[130] = BLOCK.ilog2() as u8;
                }
                bus.write(command.data[0], &data);
                (0, 0)
            }
            // Set Features: the number of queues.
            9 => (0, (self.pairs - 1) << 16 | (self.pairs - 1)),
            5 => {
                let vector = (second & 2 != 0).then_some((second >> 16) as u16);
                let entries = (first >> 16) + 1;
                self.completions.insert(first as u16, Completion::new(command.data[0], entries, vector));
                (0, 0)
            }
            1 => {
                let entries = (first >> 16) + 1;
                let completion = (second >> 16) as u16;
                self.submissions.insert(
                    first as u16,
                    Submission { address: command.data[0], entries, head: 0, tail: 0, completion },
                );
                (0, 0)
            }
            _ => (1, 0),
        }
    }

    /// Returns the addresses and bytes of a command's data.
    fn pages(bus: &Bus, [first, second]: [u64; 2], bytes: u64) -> Vec<(u64, u64)> {
        let in_first = (PAGE - first % PAGE).min(bytes);
        let mut pages = vec![(first, in_first)];
        let mut left = bytes - in_first;
        if left > 0 && left <= PAGE {
            pages.push((second, left));
            left = 0;
        }
        let mut entry = second;
        while left > 0 {
            let part = left.min(PAGE);
            pages.push((bus.read_u64(entry), part));
            entry += 8;
            left -= part;
        }
        pages
    }

    fn run(&mut self, bus: &Bus, command: &Command) -> u16 {
        let block = u64::from(command.words[1]) << 32 | u64::from(command.words[0]);
        let count = u64::from(command.words[2] & 0xffff) + 1;
        if command.opcode == 0 {
            return 0;
        }
        if !matches!(command.opcode, 1 | 2) || block + count > BLOCKS {
            return 0x80;
        }
        let bytes = count * BLOCK as u64;
        assert!(bytes <= PAGE << LARGEST_SHIFT, "a command has {bytes} bytes");
        let mut data = vec![0; bytes as usize];
        let is_read = command.opcode == 2;
        if is_read {
            for (index, chunk) in data.chunks_mut(BLOCK).enumerate() {
                chunk.copy_from_slice(&self.block(block + index as u64));
            }
        }
        let mut at = 0;
        for (address, part) in Self::pages(bus, command.data, bytes) {
            let part = &mut data[at..at + part as usize];
            if is_read {
                bus.write(address, part)
            } else {
                bus.read(address, part)
            };
            at += part.len();
        }
        if !is_read {
            for (index, chunk) in data.chunks(BLOCK).enumerate() {
                self.disk.insert(block + index as u64, chunk.try_into().unwrap());
            }
        }
        0
    }
}

impl DeviceModel for Controller {
    fn read(&mut self, _: &Bus, _: u32, offset: u64, width: u32) -> u64 {
        match (offset, width) {
            (0x00, 8) => u64::from(self.entries - 1) | 1 << 16 | 2 << 24 | 1 << 37,
            (0x08, 4) => 0x1_0400,
            (0x14, 4) => u64::from(self.configuration),
            (0x1c, 4) => u64::from(self.is_ready),
            _ => panic!("the driver reads {width} bytes at {offset:#x}"),
        }
    }

    fn write(&mut self, bus: &Bus, _: u32, offset: u64, width: u32, value: u64) {
        match (offset, width) {
            (0x14, 4) => self.set_configuration(value as u32),
            (0x24, 4) => self.admin.0 = value as u32,
            (0x28, 8) => self.admin.1 = value,
            (0x30, 8) => self.admin.2 = value,
            (0x1000.., 4) => self.ring(bus, offset - 0x1000, value as u32),
            _ => panic!("the driver writes {width} bytes at {offset:#x}"),
        }
    }

    fn work(&mut self, bus: &Bus) {
        match self.fetch(bus) {
            Some(command) if command.queue == 0 => {
                let (status, result) = self.run_admin(bus, &command);
                self.complete(bus, 0, command.id, status, result);
            }
            Some(command) => {
                self.commands.push(command);
                self.held.extend((!self.is_silent).then_some(command));
            }
            None if self.held.is_empty() => return,
            None => {}
        }
        let is_patient = self.order.as_mut().is_some_and(|order| order.one_in(2));
        let with_room: Vec<usize> =
            (0..self.held.len()).filter(|&at| !self.is_full(self.held[at].queue)).collect();
        if with_room.is_empty() && !self.held.is_empty() {
            // The driver's next doorbell goes on.
            return;
        }
        if !with_room.is_empty() && !is_patient {
            let count = with_room.len() as u64;
            let index = self.order.as_mut().map_or(0, |order| order.below(count) as usize);
            let command = self.held.remove(with_room[index]);
            let status = if self.statuses.is_empty() { 0 } else { self.statuses.remove(0) };
            let status = if status == 0 { self.run(bus, &command) } else { status };
            self.complete(bus, self.submissions[&command.queue].completion, command.id, status, 0);
        }
        bus.work();
    }

    fn reset(&mut self, _: &Bus) {
        self.set_configuration(0);
    }
}
