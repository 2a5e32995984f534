//! A pair of I/O queues. Any CPU may submit to it and poll it, also in handlers.
use crate::admin::NewPair;
use crate::pages::{self, List};
use crate::registers::{Command, Completion, DOORBELLS, ENTRIES, PAGE, PHASE};
use crate::split::{Next, PartCommand, Splits, Unsplit};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use driver_kit::block::{self, FLAGS, OutstandingTable, Request, Requests};
use driver_kit::device::Device;
use driver_kit::dma::Dma;
use driver_kit::mmio::{Mapping, Register};
use driver_kit::sync::SpinLock;
use driver_kit::warn;

/// The opcodes of flush, write and read are 0, 1 and 2; the operations of the ABI are the other way round.
const OPCODE_OF_READ: u32 = 2;
const OPCODE_OF_FLUSH: u32 = 0;
/// The namespace that the commands name.
const NAMESPACE: u32 = 1;

/// Nobody polls the queue.
const FREE: u32 = 0;
/// A CPU polls it.
const POLLED: u32 = 1;
/// A CPU polls it, and another one, or a handler, has wanted to since.
const WANTED: u32 = 2;

/// A submission queue, its completion queue, and what is outstanding in both.
#[repr(align(64))]
pub struct Pair {
    commands: Dma<'static, [Command; ENTRIES]>,
    completions: Dma<'static, [Completion; ENTRIES]>,
    tail_doorbell: Register<'static, u32>,
    head_doorbell: Register<'static, u32>,
    /// The entries of each queue, less 1. They are a power of two.
    mask: u8,
    /// The number of both queues, and the interrupt of the completion queue.
    id: u16,
    interrupt: Option<u16>,
    /// Where the next command goes.
    tail: SpinLock<u8>,
    /// Keeps two CPUs from completing the same requests.
    polling: AtomicU32,
    /// Where the next completion will be. Only the CPU that polls uses this and the phase.
    head: AtomicU32,
    /// The phase of the next completion.
    phase: AtomicU32,
    has_complained: AtomicBool,
    lists: Dma<'static, [List; ENTRIES]>,
    outstanding: OutstandingTable,
    /// The requests that need several commands.
    splits: Splits,
}

/// Why a batch is not submitted to its end.
enum Stop<'r> {
    /// The controller cannot address the data of this request.
    Refused(Request<'r>),
    /// There is no room for the next request.
    Full,
}

impl Pair {
    /// Allocates a pair of queues with this number and interrupt.
    pub fn new(
        device: &'static Device,
        registers: &'static Mapping<'static>,
        (id, interrupt): (u16, Option<u16>),
        entries: usize,
        stride: usize,
    ) -> Option<Self> {
        let doorbell = DOORBELLS + 2 * usize::from(id) * stride;
        let pair = Self {
            commands: device.allocate()?,
            completions: device.allocate()?,
            tail_doorbell: registers.register(doorbell)?,
            head_doorbell: registers.register(doorbell + stride)?,
            mask: (entries - 1) as u8,
            id,
            interrupt,
            tail: SpinLock::new(0),
            polling: AtomicU32::new(FREE),
            head: AtomicU32::new(0),
            phase: AtomicU32::new(PHASE),
            has_complained: AtomicBool::new(false),
            lists: device.allocate()?,
            outstanding: OutstandingTable::new(),
            splits: Splits::new(),
        };
        // What is the same in all commands is written once.
        for command in pair.commands.iter() {
            command.namespace.set(NAMESPACE);
        }
        Some(pair)
    }

    /// Returns what the controller is told of the pair.
    pub fn description(&self) -> NewPair {
        NewPair {
            id: self.id,
            entries: usize::from(self.mask) + 1,
            submission: self.commands.device_address(),
            completion: self.completions.device_address(),
            interrupt: self.interrupt,
        }
    }

    /// Returns the node of the queues' memory.
    pub fn node(&self) -> driver_kit::memory::Node {
        self.commands.node()
    }

    /// Submits a request if its data lies in one page. Otherwise returns false, and changes nothing.
    #[inline(always)]
    pub fn submit_one(&self, request: &Request<'_>) -> bool {
        let Some(data) = request.only_segment().and_then(pages::in_one_page) else { return false };
        let opcode = OPCODE_OF_READ.wrapping_sub(u32::from(request.operation()));
        let mut tail = self.tail.lock();
        let command = &self.commands[usize::from(*tail)];
        let next = tail.wrapping_add(1) & self.mask;
        *tail = next;
        self.write(command, request, opcode, data);
        self.tail_doorbell.write(u32::from(next));
        true
    }

    /// Submits the next requests, as long as their submitter polls or not, as `is_polled` says. Returns false if there is no room for one.
    #[inline(always)]
    pub fn submit(&self, requests: &mut Requests<'_>, is_polled: bool) -> bool {
        loop {
            match self.submit_until_stop(requests, is_polled) {
                None => return true,
                // Without the lock: the submitter may submit again from there.
                Some(Stop::Refused(request)) => request.complete(block::ERROR),
                Some(Stop::Full) => return false,
            }
        }
    }

    /// Submits requests until there is one that cannot be.
    #[inline(always)]
    fn submit_until_stop<'r>(&self, requests: &mut Requests<'r>, is_polled: bool) -> Option<Stop<'r>> {
        let mut tail = self.tail.lock();
        let ring = &self.commands[..=usize::from(self.mask)];
        let mut room = ring.get(usize::from(*tail)..).unwrap_or(ring).iter();
        let mut stop = None;
        // A request with other flags differs from this by more than an operation.
        let usual = OPCODE_OF_READ + if is_polled { FLAGS } else { 0 };
        while let Some(next) = requests.first() {
            let opcode = usual.wrapping_sub(next.operation_and_flags());
            if opcode >= FLAGS {
                break;
            }
            let Some(command) = room.as_slice().first() else {
                room = ring.iter();
                continue;
            };
            let before = requests.clone();
            let Some(request) = requests.next() else { break };
            if let Some(data) = request.only_segment().and_then(pages::in_one_page) {
                room.next();
                self.write(command, &request, opcode, data);
                continue;
            }
            stop = self.write_unusual(command, request, opcode);
            match stop {
                None => _ = room.next(),
                Some(Stop::Refused(_)) => break,
                Some(Stop::Full) => {
                    *requests = before;
                    break;
                }
            }
        }
        *tail = (ring.len() - room.len()) as u8 & self.mask;
        self.tail_doorbell.write(u32::from(*tail));
        stop
    }

    /// Writes a request's command.
    #[inline(always)]
    fn write(&self, command: &Command, request: &Request<'_>, opcode: u32, data: pages::Data) {
        // Below the number of entries, as all tags are below the queue's depth.
        let tag = request.tag() as u8;
        command.opcode.set(opcode as u16);
        command.id.set(u16::from(tag));
        command.data.set(data.first);
        command.more_data.set(data.more);
        command.block.set(request.block());
        command.count.set(request.count().wrapping_sub(1));
        self.outstanding.put(tag, request);
    }

    /// Writes the command of a request of any segments, or the first of several. If there is none, returns why, and has written nothing.
    #[cold]
    #[inline(never)]
    fn write_unusual<'r>(&self, command: &Command, request: Request<'r>, opcode: u32) -> Option<Stop<'r>> {
        let tag = usize::from(request.tag() as u8);
        let (list, address) = (&self.lists[tag], self.list_address(tag));
        let part = pages::describe(request.segments(), list, address);
        if part.is_ok_and(|part| part.segments == request.segments().count()) || opcode == OPCODE_OF_FLUSH {
            let data = part.map_or(pages::Data { first: 0, more: 0 }, |part| part.data);
            self.write(command, &request, opcode, data);
            return None;
        }
        match self.splits.begin(&request, opcode, (list, address)) {
            Ok(part) => {
                Self::write_part(command, &part);
                None
            }
            Err(Unsplit::Full) => Some(Stop::Full),
            Err(Unsplit::Misaligned) => {
                self.complain(format_args!(
                    "a request was refused: a segment begins at no multiple of 4, or is no whole number of blocks"
                ));
                Some(Stop::Refused(request))
            }
        }
    }

    fn list_address(&self, tag: usize) -> u64 {
        self.lists.device_address() + (tag * size_of::<List>()) as u64
    }

    fn write_part(command: &Command, part: &PartCommand) {
        command.opcode.set(part.opcode as u16);
        command.id.set(part.id);
        command.data.set(part.data.first);
        command.more_data.set(part.data.more);
        command.block.set(part.block);
        command.count.set(part.count.wrapping_sub(1));
    }

    /// Returns true if the controller has completed something that was not seen yet.
    #[inline(always)]
    pub fn has_completion(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed) as u8;
        let status = self.completions[usize::from(head)].status.get();
        (status ^ self.phase.load(Ordering::Relaxed)) & PHASE == 0
    }

    /// Completes what the controller has done, and returns how many requests these were. If another CPU does so already, it looks
    /// once more, and this returns 0.
    #[inline(always)]
    pub fn poll(&self) -> u32 {
        if self.polling.compare_exchange(FREE, POLLED, Ordering::Acquire, Ordering::Relaxed).is_err()
            && self.polling.swap(WANTED, Ordering::AcqRel) != FREE
        {
            return 0;
        }
        let count = self.complete_all();
        if self.polling.compare_exchange(POLLED, FREE, Ordering::Release, Ordering::Relaxed).is_err() {
            return count + self.poll_again();
        }
        count
    }

    /// Looks once more, until no other CPU has wanted to poll meanwhile.
    #[cold]
    #[inline(never)]
    fn poll_again(&self) -> u32 {
        let mut count = 0;
        loop {
            self.polling.swap(POLLED, Ordering::Acquire);
            count += self.complete_all();
            if self.polling.compare_exchange(POLLED, FREE, Ordering::Release, Ordering::Relaxed).is_ok() {
                return count;
            }
        }
    }

    #[inline(always)]
    fn complete_all(&self) -> u32 {
        let mut head = self.head.load(Ordering::Relaxed) as u8;
        let mut phase = self.phase.load(Ordering::Relaxed);
        let mut count = 0;
        loop {
            let status = self.completions[usize::from(head)].status.get() ^ phase;
            // The right phase, success, and a number that may be one of the table: all else is unusual.
            if status >= ENTRIES as u32 {
                if status & PHASE != 0 {
                    break;
                }
                self.complete_unusual(status);
            } else if let Some(request) = self.outstanding.take(status as u8) {
                request.complete(block::OK);
            } else {
                self.complain_about(status);
            }
            count += 1;
            head = head.wrapping_add(1) & self.mask;
            if head == 0 {
                phase ^= PHASE;
            }
        }
        if count != 0 {
            self.head.store(u32::from(head), Ordering::Relaxed);
            self.phase.store(phase, Ordering::Relaxed);
            self.head_doorbell.write(u32::from(head));
        }
        count
    }

    #[cold]
    #[inline(never)]
    fn complete_unusual(&self, status: u32) {
        let (id, status) = (status & 0xffff, status >> 17);
        let request = match u8::try_from(id) {
            Ok(id) => self.outstanding.take(id),
            Err(_) => match self.splits.go_on(id, status != 0, &*self.lists, self.lists.device_address()) {
                Next::Command(part) => return self.submit_part(&part),
                Next::End(request) => Some(request),
                Next::Unknown => None,
            },
        };
        let Some(request) = request else { return self.complain_about(id) };
        if status == 0 {
            request.complete(block::OK);
        } else {
            self.complain(format_args!("a request failed: status {:#x}", status & 0x7ff));
            request.complete(block::ERROR);
        }
    }

    /// Submits the next part of a request. The part before it has left room.
    fn submit_part(&self, part: &PartCommand) {
        let mut tail = self.tail.lock();
        Self::write_part(&self.commands[usize::from(*tail)], part);
        *tail = tail.wrapping_add(1) & self.mask;
        self.tail_doorbell.write(u32::from(*tail));
    }

    #[cold]
    #[inline(never)]
    fn complain_about(&self, id: u32) {
        self.complain(format_args!("request {id} was completed, which is not outstanding"));
    }

    /// Logs the first complaint about the controller or its requests.
    #[cold]
    fn complain(&self, what: core::fmt::Arguments<'_>) {
        if !self.has_complained.swap(true, Ordering::Relaxed) {
            warn!("{what}; no more is said about this queue");
        }
    }

    /// Makes the outstanding requests older, and returns the age of the oldest.
    pub fn grow_older(&self) -> usize {
        self.outstanding.grow_older().max(self.splits.grow_older())
    }

    /// Returns the age of the oldest request.
    pub fn oldest(&self) -> usize {
        self.outstanding.oldest().max(self.splits.oldest())
    }

    /// Keeps all CPUs from completing requests until [`Pair::resume`]. Waits while one does so.
    pub fn suspend(&self) {
        while self.polling.compare_exchange(FREE, POLLED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            driver_kit::thread::yield_now();
        }
    }

    /// Empties both queues of a controller that is disabled, and ends the requests that are outstanding with an error. The pair is
    /// suspended. A request that is submitted from here on waits in the submission queue.
    pub fn end_all(&self) {
        let mut tail = self.tail.lock();
        for completion in self.completions.iter() {
            completion.status.set(0);
        }
        self.head.store(0, Ordering::Relaxed);
        self.phase.store(PHASE, Ordering::Relaxed);
        *tail = 0;
        let ended: [_; ENTRIES] = core::array::from_fn(|number| self.outstanding.take(number as u8));
        let split = self.splits.take_all();
        // Without the lock: their submitters may submit again from there.
        drop(tail);
        let all = ended.into_iter().chain(split).flatten();
        all.for_each(|request| request.complete(block::ERROR));
    }

    /// Lets CPUs complete requests again, and shows the controller what was submitted since [`Pair::end_all`].
    pub fn resume(&self) {
        let tail = self.tail.lock();
        if *tail != 0 {
            self.tail_doorbell.write(u32::from(*tail));
        }
        drop(tail);
        if self.polling.compare_exchange(POLLED, FREE, Ordering::Release, Ordering::Relaxed).is_err() {
            self.poll_again();
        }
    }
}

const _: () = assert!((PAGE as usize).is_multiple_of(size_of::<List>()), "a list does not cross a page");
