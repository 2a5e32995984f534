//! A pair of I/O queues. Any CPU may submit to it and poll it, also in handlers.
use crate::pages::{self, List};
use crate::registers::{self, Command, Completion, DOORBELLS, ENTRIES, PAGE};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use driver_kit::block::{self, FLAGS, OutstandingTable, Request, Requests, Submissions};
use driver_kit::device::Device;
use driver_kit::dma::Dma;
use driver_kit::mmio::{Mapping, Register};
use driver_kit::sync::Turn;
use driver_kit::warn;

/// The opcodes of flush, write and read are 0, 1 and 2; the operations of the ABI are the other way round.
const OPCODE_OF_READ: u32 = 2;
/// The namespace that the commands name.
const NAMESPACE: u32 = 1;

/// The phase in a completion's status, which is handled as an index is: its lower bits are one.
const PHASE: usize = registers::PHASE as usize;

/// The requests that a call submits: those of submitters that poll, or the others. Less a request's operation and flags this is its
/// opcode, and above all opcodes for a request of the other kind.
pub type Kind = u32;
pub const POLLED: Kind = OPCODE_OF_READ + FLAGS;
pub const INTERRUPTING: Kind = OPCODE_OF_READ;

/// A submission queue, its completion queue, and what is outstanding in both.
// In this order, so that the word of the turn has the address of the pair.
#[repr(C, align(64))]
pub struct Pair {
    /// The turn to complete requests. Whoever has it uses `head` and `phase`.
    polling: Turn,
    commands: Dma<'static, [Command; ENTRIES]>,
    completions: Dma<'static, [Completion; ENTRIES]>,
    tail_doorbell: Register<'static, u32>,
    head_doorbell: Register<'static, u32>,
    /// The entries of each queue: a power of two.
    entries: u32,
    /// The entries, less 1.
    mask: u8,
    /// Where the next command goes.
    tail: Submissions<u8>,
    /// Where the next completion will be.
    head: AtomicU8,
    /// The phase of the next completion.
    phase: AtomicUsize,
    has_complained: AtomicBool,
    lists: Dma<'static, [List; ENTRIES]>,
    outstanding: OutstandingTable,
}

impl Pair {
    /// Allocates a pair of queues with this number.
    pub fn new(
        device: &'static Device,
        registers: &'static Mapping<'static>,
        id: u16,
        entries: usize,
        stride: usize,
    ) -> Option<Self> {
        let doorbell = DOORBELLS + 2 * usize::from(id) * stride;
        let pair = Self {
            polling: Turn::new(),
            commands: device.allocate()?,
            completions: device.allocate()?,
            tail_doorbell: registers.register(doorbell)?,
            head_doorbell: registers.register(doorbell + stride)?,
            entries: entries as u32,
            mask: (entries - 1) as u8,
            tail: Submissions::new(0),
            head: AtomicU8::new(0),
            phase: AtomicUsize::new(PHASE),
            has_complained: AtomicBool::new(false),
            lists: device.allocate()?,
            outstanding: OutstandingTable::new(),
        };
        // What is the same in all commands is written once.
        for command in pair.commands.iter() {
            command.namespace.set(NAMESPACE);
        }
        Some(pair)
    }

    /// Returns the addresses of both queues for the controller.
    pub fn addresses(&self) -> (u64, u64) {
        (self.commands.device_address(), self.completions.device_address())
    }

    /// Returns the node of the queues' memory.
    pub fn node(&self) -> driver_kit::memory::Node {
        self.commands.node()
    }

    /// Submits a request if it is of this kind and its data lies in one page, and returns 1. Otherwise returns the request.
    #[inline(always)]
    pub fn submit_one<'r>(&self, request: Request<'r>, kind: Kind) -> Result<u32, Request<'r>> {
        let opcode = kind.wrapping_sub(request.operation_and_flags());
        let data = request.only_segment().filter(|_| opcode < FLAGS).and_then(pages::in_one_page);
        let Some(data) = data else { return Err(request) };
        let submit = |tail: &mut u8, request: Request<'_>| {
            *tail = self.write(&self.commands, *tail, &request, opcode, data);
            self.tail_doorbell.write(u32::from(*tail));
        };
        Ok(self.tail.submit(request, submit, |tail, request| self.submit_left(tail, request)))
    }

    /// Submits a request, and the next ones as far as they are of its kind.
    #[inline(always)]
    pub fn submit<'r>(&self, request: Request<'r>, requests: &mut Requests<'r>, kind: Kind) {
        let commands = &*self.commands;
        let submit = |shared_tail: &mut u8, mut request: Request<'r>| {
            let mut tail = *shared_tail;
            let mut opcode = kind.wrapping_sub(request.operation_and_flags());
            loop {
                tail = match request.only_segment().and_then(pages::in_one_page) {
                    Some(data) => self.write(commands, tail, &request, opcode, data),
                    None => self.describe_and_write(tail, request, opcode),
                };
                let Some(next) = requests.first() else { break };
                opcode = kind.wrapping_sub(next.operation_and_flags());
                if opcode >= FLAGS {
                    break;
                }
                let Some(next) = requests.next() else { break };
                request = next;
            }
            *shared_tail = tail;
            self.tail_doorbell.write(u32::from(tail));
        };
        self.tail.submit(request, submit, |tail, request| self.submit_left(tail, request));
    }

    /// Submits a request that another CPU, or a handler, has left.
    #[inline(never)]
    fn submit_left(&self, tail: &mut u8, request: Request<'_>) {
        let opcode = OPCODE_OF_READ.wrapping_sub(u32::from(request.operation()));
        *tail = self.describe_and_write(*tail, request, opcode);
        self.tail_doorbell.write(u32::from(*tail));
    }

    /// Writes a request's command. Returns where the next one goes.
    #[inline(always)]
    fn write(
        &self,
        commands: &[Command; ENTRIES],
        tail: u8,
        request: &Request<'_>,
        opcode: u32,
        data: pages::Data,
    ) -> u8 {
        let command = &commands[usize::from(tail)];
        // Below the number of entries, as all tags are below the queue's depth.
        let tag = request.tag() as u8;
        command.opcode.set(opcode as u16);
        command.id.set(u16::from(tag));
        command.data.set(data.first);
        command.more_data.set(data.more);
        command.block.set(request.block());
        command.count.set(request.count().wrapping_sub(1));
        self.outstanding.put(tag, request);
        tail.wrapping_add(1) & self.mask
    }

    /// Writes the command of a request with any data, and returns where the next one goes. Ends the request if the controller cannot
    /// address its data.
    #[cold]
    #[inline(never)]
    fn describe_and_write(&self, tail: u8, request: Request<'_>, opcode: u32) -> u8 {
        let tag = usize::from(request.tag() as u8);
        let address = self.lists.device_address() + (tag * size_of::<List>()) as u64;
        match pages::describe(&request, &self.lists[tag], address) {
            Ok(data) => self.write(&self.commands, tail, &request, opcode, data),
            Err(pages::Misaligned) => {
                self.complain(format_args!("a request whose segments begin or end within pages was refused"));
                // What the submitter submits from there is left to this CPU.
                request.complete(block::ERROR);
                tail
            }
        }
    }

    /// Returns true if the controller has completed something that was not seen yet.
    #[inline(always)]
    pub fn has_completion(&self) -> bool {
        self.next_status() & PHASE == 0
    }

    /// Returns the status of the next completion, without the bit of the phase if the completion is there.
    #[inline(always)]
    fn next_status(&self) -> usize {
        let head = usize::from(self.head.load(Ordering::Relaxed));
        self.completions[head].status.get() as usize ^ self.phase.load(Ordering::Relaxed)
    }

    /// Completes what the controller has done, and returns how many requests these were, or what `otherwise` returns if there were none. If
    /// another CPU completes them already, it looks once more.
    #[inline(always)]
    pub fn poll_or(&self, otherwise: impl Fn() -> u32) -> u32 {
        let or_otherwise = |count| if count == 0 { otherwise() } else { count };
        if !self.polling.take() {
            return or_otherwise(if self.polling.want() { self.poll_to_end(0) } else { 0 });
        }
        if !self.complete_next() {
            return or_otherwise(if self.polling.end_is_early() { self.poll_again(0) } else { 0 });
        }
        // Often there is one, which needs fewer registers than several.
        let count = if self.has_completion() { 1 + self.complete_more() } else { 1 };
        self.ring_head_doorbell();
        if self.polling.end_is_early() { self.poll_again(count) } else { count }
    }

    /// Looks once more if another CPU has wanted to poll. Returns the number of completions, together with `count` before.
    #[cold]
    #[inline(never)]
    fn poll_again(&self, count: u32) -> u32 {
        if self.polling.take_again() { self.poll_to_end(count) } else { count }
    }

    /// Completes what the controller has done, until no other CPU has wanted to poll meanwhile, and ends the turn, which the caller has.
    /// Returns the number of completions, together with `count` before.
    #[cold]
    #[inline(never)]
    fn poll_to_end(&self, mut count: u32) -> u32 {
        loop {
            let more = self.complete_more();
            if more != 0 {
                self.ring_head_doorbell();
            }
            count += more;
            if !self.polling.end_is_early() || !self.polling.take_again() {
                return count;
            }
        }
    }

    /// Tells the controller which completions were seen.
    #[inline(always)]
    fn ring_head_doorbell(&self) {
        self.head_doorbell.write(u32::from(self.head.load(Ordering::Relaxed)));
    }

    /// Completes what the controller has done, without the doorbell. The caller has the turn.
    #[inline(never)]
    fn complete_more(&self) -> u32 {
        let completions = &*self.completions;
        let mut head = self.head.load(Ordering::Relaxed);
        let mut phase = self.phase.load(Ordering::Relaxed);
        // The completions of whole rounds, less those before the first one. With the head this is the number of completions.
        let mut count = 0_u32.wrapping_sub(u32::from(head));
        loop {
            let status = completions[usize::from(head)].status.get() as usize ^ phase;
            if status < ENTRIES {
                self.complete(status);
            } else if status & PHASE == 0 {
                self.complete_unusual(status);
            } else {
                break;
            }
            head = head.wrapping_add(1) & self.mask;
            if head == 0 {
                // A branch that is rarely taken costs less than a choice.
                core::hint::cold_path();
                phase ^= PHASE;
                count = count.wrapping_add(self.entries);
            }
        }
        self.head.store(head, Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
        // Read again, so that the loop need not keep it as a number of this size.
        count.wrapping_add(u32::from(self.head.load(Ordering::Relaxed)))
    }

    /// Completes the next request that the controller has done. Returns false if there is none.
    #[inline(always)]
    fn complete_next(&self) -> bool {
        let status = self.next_status();
        // The right phase, success, and a number that may be one of the table: all else is unusual.
        let is_usual = status < ENTRIES;
        if !is_usual && status & PHASE != 0 {
            return false;
        }
        self.advance();
        if is_usual {
            self.complete(status)
        } else {
            self.complete_unusual(status)
        }
        true
    }

    /// Completes the request with this number, which is below [`ENTRIES`], if it is outstanding.
    #[inline(always)]
    fn complete(&self, number: usize) {
        match self.outstanding.take(number as u8) {
            Some(request) => request.complete(block::OK),
            None => self.complain_about(number),
        }
    }

    /// Goes on to the completion after the next one.
    #[inline(always)]
    fn advance(&self) {
        let head = self.head.load(Ordering::Relaxed).wrapping_add(1) & self.mask;
        self.head.store(head, Ordering::Relaxed);
        if head == 0 {
            self.phase.store(self.phase.load(Ordering::Relaxed) ^ PHASE, Ordering::Relaxed);
        }
    }

    #[cold]
    #[inline(never)]
    fn complete_unusual(&self, status: usize) {
        let (id, status) = (status & 0xffff, status >> 17);
        let request = u8::try_from(id).ok().and_then(|id| self.outstanding.take(id));
        if let Some(request) = request {
            self.complain(format_args!("a request failed: status {:#x}", status & 0x7ff));
            request.complete(block::ERROR);
        } else {
            self.complain_about(id);
        }
    }

    #[cold]
    #[inline(never)]
    fn complain_about(&self, id: usize) {
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
        self.outstanding.grow_older()
    }
}

const _: () = assert!((PAGE as usize).is_multiple_of(size_of::<List>()), "a list does not cross a page");
