//! A pair of I/O queues. Any CPU may submit to it and poll it, also in handlers.
use crate::admin::NewPair;
use crate::counters::Counters;
use crate::pages::{self, Data, List};
use crate::registers::{self, Command, Completion, DOORBELLS, ENTRIES, PAGE};
use crate::split::{Next, PartCommand, Splits, Unsplit};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use driver_kit::block::{self, FLAGS, Length, NextRequest, OutstandingTable, Request, Requests, Submissions};
use driver_kit::device::Device;
use driver_kit::dma::SharedDma;
use driver_kit::memory::Node;
use driver_kit::mmio::{Bar, Register};
use driver_kit::sync::Turn;
use driver_kit::{thread, warn};

/// The opcodes of flush, write and read are 0, 1 and 2; the operations of the ABI are the other way round.
const OPCODE_OF_READ: u32 = 2;
const OPCODE_OF_FLUSH: u32 = 0;
/// The namespace that the commands name.
const NAMESPACE: u32 = 1;

/// The phase in a completion's status, which is handled as an index is: its lower bits are one.
const PHASE: usize = registers::PHASE as usize;

/// The requests that a call submits: those of submitters that poll, or the others. Less a request's operation and flags this is its
/// opcode, and above all opcodes for a request of the other kind.
pub type Kind = u32;
pub const POLLED: Kind = OPCODE_OF_READ + FLAGS;
pub const INTERRUPTING: Kind = OPCODE_OF_READ;

/// What requests that follow each other have in common, as a rule: then it need not be looked at again for each.
#[derive(Clone, Copy)]
struct Alike {
    /// The operation and the flags.
    bits: u32,
    length: Length,
}

impl Alike {
    #[inline(always)]
    fn to(request: &Request<'_>) -> Self {
        Self { bits: request.operation_and_flags(), length: request.length().unwrap_or(Length::NONE) }
    }
}

/// A submission queue, its completion queue, and what is outstanding in both.
// In this order, so that the word of the turn has the address of the pair.
#[repr(C, align(64))]
pub struct Pair<'d> {
    /// The turn to complete requests. Whoever has it uses `head` and `phase`.
    polling: Turn,
    commands: SharedDma<'d, [Command; ENTRIES]>,
    completions: SharedDma<'d, [Completion; ENTRIES]>,
    tail_doorbell: Register<'d, u32>,
    head_doorbell: Register<'d, u32>,
    /// The entries of each queue: a power of two.
    entries: u32,
    /// The entries, less 1.
    mask: u8,
    /// Where the next command goes.
    tail: Submissions<u32>,
    /// Where the next completion will be.
    head: AtomicU8,
    /// The phase of the next completion.
    phase: AtomicUsize,
    has_complained: AtomicBool,
    lists: SharedDma<'d, [List; ENTRIES]>,
    outstanding: OutstandingTable,
    /// The requests that need several commands.
    splits: &'d Splits,
    /// The number of both queues, and the interrupt of the completion queue.
    id: u16,
    interrupt: Option<u16>,
    /// The numbers of the disk.
    counters: &'d Counters,
    /// The completions before `head` was 0 the last time. Whoever has the turn changes it.
    completed_before: AtomicU64,
}

impl<'d> Pair<'d> {
    /// Allocates a pair of queues with this number and interrupt, so many entries each, and so many bytes from one doorbell to the next.
    pub fn new(
        device: Device<'d>,
        registers: Bar<'d>,
        (id, interrupt): (u16, Option<u16>),
        (entries, stride): (usize, usize),
        counters: &'d Counters,
    ) -> Option<Self> {
        let doorbell = DOORBELLS + 2 * usize::from(id) * stride;
        let pair = Self {
            polling: Turn::new(),
            commands: device.allocate_shared()?,
            completions: device.allocate_shared()?,
            tail_doorbell: registers.register(doorbell)?,
            head_doorbell: registers.register(doorbell + stride)?,
            entries: entries as u32,
            mask: (entries - 1) as u8,
            tail: Submissions::new(0),
            head: AtomicU8::new(0),
            phase: AtomicUsize::new(PHASE),
            has_complained: AtomicBool::new(false),
            // Each entry is written before the controller is told of it.
            lists: device.allocate_shared_not_zeroed()?,
            outstanding: OutstandingTable::new(),
            splits: device.keep(Splits::new())?,
            id,
            interrupt,
            counters,
            completed_before: AtomicU64::new(0),
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
            entries: self.entries as usize,
            submission: self.commands.device_address(),
            completion: self.completions.device_address(),
            interrupt: self.interrupt,
        }
    }

    /// Returns the node of the queues' memory.
    pub fn node(&self) -> Node {
        self.commands.node()
    }

    /// Submits a request if it is of this kind and its data lies in one page, and returns 1. Otherwise returns the request.
    #[inline(always)]
    pub fn submit_one<'r>(&self, request: Request<'r>, kind: Kind) -> Result<u32, Request<'r>> {
        let opcode = kind.wrapping_sub(request.operation_and_flags());
        let data = request.only_segment().filter(|_| opcode < FLAGS).and_then(pages::in_one_page);
        let Some(data) = data else { return Err(request) };
        let submit = |tail: &mut u32, request: Request<'_>| {
            *tail = self.write_at(*tail, &request, (opcode, request.count()), data);
            self.tail_doorbell.write(*tail);
        };
        Ok(self.tail.submit(request, submit, |tail, request| self.submit_left(tail, request)))
    }

    /// Submits a request, and those behind it as far as they are of its kind and there is room, with one doorbell. Returns how many these
    /// are.
    #[inline(never)]
    pub fn submit<'r>(&self, first: Request<'r>, behind: Requests<'r>, kind: Kind) -> u32 {
        let (count, mut left) = (behind.left(), behind);
        let data = first.only_segment().and_then(pages::in_one_page);
        // Before the turn: a request that is left to another CPU counts as accepted.
        let first = match self.prepare(first, data) {
            Ok(first) => first,
            Err(is_ended) => return u32::from(is_ended),
        };
        let submit = |shared_tail: &mut u32, first: Request<'r>| {
            let mut alike = Alike::to(&first);
            let mut tail = self.write_any(*shared_tail, first, (alike, data), kind);
            loop {
                (left, tail) = self.write_alike(left.clone(), tail, alike, kind);
                if left.first().is_none() {
                    break;
                }
                let next;
                (left, tail, next) = self.write_other(left.clone(), tail, kind);
                match next {
                    Some(next) => alike = next,
                    None => break,
                }
            }
            *shared_tail = tail;
            self.tail_doorbell.write(tail);
        };
        self.tail.submit(first, submit, |tail, request| self.submit_left(tail, request));
        1 + count - left.left()
    }

    /// Writes the commands of the first requests, as far as they are alike and the data of each lies in one page. Returns the others, and
    /// where the next command goes.
    #[inline(always)]
    fn write_alike<'r>(
        &self,
        mut left: Requests<'r>,
        tail: u32,
        alike: Alike,
        kind: Kind,
    ) -> (Requests<'r>, u32) {
        let (commands, mask) = (&*self.commands, usize::from(self.mask));
        let command = (kind.wrapping_sub(alike.bits), alike.length.blocks());
        let mut at = usize::from(tail as u8);
        while let Some(next) = left.first() {
            if next.operation_and_flags() != alike.bits {
                break;
            }
            let Some(data) = next.segment_of_length(alike.length).and_then(pages::in_one_page) else { break };
            let Some(request) = left.next() else { break };
            self.write(&commands[at], &request, command, data);
            at = (at + 1) & mask;
        }
        (left, at as u32)
    }

    /// Writes the command of the first request, which is not like the one before. Returns the others, where the next command goes, and what
    /// the request is like: `None` if it is not of this kind, or has ended, or if there is no room for it.
    #[cold]
    #[inline(never)]
    fn write_other<'r>(
        &self,
        requests: Requests<'r>,
        tail: u32,
        kind: Kind,
    ) -> (Requests<'r>, u32, Option<Alike>) {
        let mut left = requests.clone();
        let is_of_kind = |next: NextRequest<'_>| kind.wrapping_sub(next.operation_and_flags()) < FLAGS;
        if !requests.first().is_some_and(is_of_kind) {
            return (requests, tail, None);
        }
        let Some(request) = left.next() else { return (left, tail, None) };
        let alike = Alike::to(&request);
        let data = request.segment_of_length(alike.length).and_then(pages::in_one_page);
        match self.prepare(request, data) {
            Ok(request) => (left, self.write_any(tail, request, (alike, data), kind), Some(alike)),
            Err(is_ended) => (if is_ended { left } else { requests }, tail, None),
        }
    }

    /// Writes the command of a request for which there is room. `data` is its data if that lies in one page. Returns where the next one
    /// goes.
    #[inline(always)]
    fn write_any(
        &self,
        tail: u32,
        request: Request<'_>,
        (alike, data): (Alike, Option<Data>),
        kind: Kind,
    ) -> u32 {
        let opcode = kind.wrapping_sub(alike.bits);
        match data {
            Some(data) => self.write_at(tail, &request, (opcode, alike.length.blocks()), data),
            None => self.write_unusual(tail, request, opcode),
        }
    }

    /// Makes room for what a request needs besides one command, and returns the request. `data` is its data if that lies in one page, which
    /// needs nothing more. Otherwise returns true if the request has ended, because the controller cannot address its data, and false if
    /// there is no room.
    #[inline(always)]
    fn prepare<'r>(&self, request: Request<'r>, data: Option<Data>) -> Result<Request<'r>, bool> {
        if data.is_some() { Ok(request) } else { self.prepare_unusual(request) }
    }

    #[cold]
    #[inline(never)]
    fn prepare_unusual<'r>(&self, request: Request<'r>) -> Result<Request<'r>, bool> {
        let opcode = OPCODE_OF_READ.wrapping_sub(u32::from(request.operation()));
        if opcode == OPCODE_OF_FLUSH || self.data_of(&request).is_some() {
            return Ok(request);
        }
        match self.splits.prepare(&request, opcode, self.list_of(&request)) {
            Ok(()) => Ok(request),
            Err(Unsplit::Full) => Err(false),
            Err(Unsplit::Misaligned) => {
                self.complain(format_args!(
                    "a request was refused: a segment begins at no multiple of 4, or is no whole number of blocks"
                ));
                // If this CPU has the turn, what the submitter submits from there is left to it.
                request.complete(block::ERROR);
                Err(true)
            }
        }
    }

    /// Submits a request that another CPU, or a handler, has left; or the commands that are due.
    #[inline(never)]
    fn submit_left(&self, tail: &mut u32, request: Option<Request<'_>>) {
        if let Some(request) = request {
            let opcode = OPCODE_OF_READ.wrapping_sub(u32::from(request.operation()));
            *tail = self.write_unusual(*tail, request, opcode);
        } else {
            while let Some(part) = self.splits.take_due() {
                *tail = self.write_part(*tail, &part);
            }
        }
        self.tail_doorbell.write(*tail);
    }

    /// Writes a request's command there. Returns where the next one goes.
    #[inline(always)]
    fn write_at(&self, tail: u32, request: &Request<'_>, command: (u32, u32), data: Data) -> u32 {
        self.write(&self.commands[usize::from(tail as u8)], request, command, data);
        tail.wrapping_add(1) & u32::from(self.mask)
    }

    /// Writes a request's command.
    #[inline(always)]
    fn write(
        &self,
        command: &Command,
        request: &Request<'_>,
        (opcode, blocks): (u32, u32),
        data: pages::Data,
    ) {
        // Below the number of entries, as all tags are below the queue's depth.
        let tag = request.tag() as u8;
        command.count.set(blocks.wrapping_sub(1));
        command.opcode.set(opcode as u16);
        command.id.set(u16::from(tag));
        command.data.set(data.first);
        command.more_data.set(data.more);
        command.block.set(request.block());
        self.outstanding.put(tag, request);
    }

    /// Writes the command of any request, or the first of several. Returns where the next one goes.
    #[cold]
    #[inline(never)]
    fn write_unusual(&self, tail: u32, request: Request<'_>, opcode: u32) -> u32 {
        let no_data = (opcode == OPCODE_OF_FLUSH).then_some(Data { first: 0, more: 0 });
        if let Some(data) = no_data.or_else(|| self.data_of(&request)) {
            return self.write_at(tail, &request, (opcode, request.count()), data);
        }
        if let Some(part) = self.splits.begin(&request, self.list_of(&request)) {
            return self.write_part(tail, &part);
        }
        // Its submitter has changed it since there was room.
        request.complete(block::ERROR);
        tail
    }

    /// Returns the data of a request if one command can address it all.
    fn data_of(&self, request: &Request<'_>) -> Option<Data> {
        let (list, address) = self.list_of(request);
        let part = pages::describe(request.segments(), list, address).ok()?;
        (part.segments == request.segments().count()).then_some(part.data)
    }

    /// Returns the list of a request's tag, and its address for the controller.
    fn list_of(&self, request: &Request<'_>) -> (&List, u64) {
        let tag = usize::from(request.tag() as u8);
        (&self.lists[tag], self.lists.device_address() + (tag * size_of::<List>()) as u64)
    }

    /// Writes the command of a part. Returns where the next one goes.
    fn write_part(&self, tail: u32, part: &PartCommand) -> u32 {
        let command = &self.commands[usize::from(tail as u8)];
        command.opcode.set(part.opcode as u16);
        command.id.set(part.id);
        command.data.set(part.data.first);
        command.more_data.set(part.data.more);
        command.block.set(part.block);
        command.count.set(part.count.wrapping_sub(1));
        tail.wrapping_add(1) & u32::from(self.mask)
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
        let count = if self.has_completion() { self.complete_more(1) } else { 1 };
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
            let more = self.complete_more(0);
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

    /// Completes what the controller has done, without the doorbell. The caller has the turn. A controller that completes for ever does not
    /// keep the CPU here: the completions are at most twice as many as the queue has entries.
    #[inline(always)]
    fn complete_more(&self, count: u32) -> u32 {
        let count = count + self.complete_round();
        if self.head.load(Ordering::Relaxed) != 0 {
            return count;
        }
        self.complete_next_round(count)
    }

    /// Goes on at the beginning of the queue. Returns the number of completions, together with `count` before.
    #[cold]
    #[inline(never)]
    fn complete_next_round(&self, count: u32) -> u32 {
        count + self.complete_round()
    }

    /// Completes what the controller has done, up to the end of the queue at most. Returns the number of completions.
    #[inline(never)]
    fn complete_round(&self) -> u32 {
        let (head, end) = (usize::from(self.head.load(Ordering::Relaxed)), self.entries as usize);
        let phase = self.phase.load(Ordering::Relaxed);
        let mut round = self.completions.get(head..end).unwrap_or_default().iter();
        while let Some(next) = round.as_slice().first() {
            let status = next.status.get() as usize ^ phase;
            if status < ENTRIES {
                self.complete(status);
            } else if status & PHASE == 0 {
                self.complete_unusual(status);
            } else {
                break;
            }
            round.next();
        }
        // Read again, so that the loop need not keep it.
        let before = u32::from(self.head.load(Ordering::Relaxed));
        let head = self.entries - round.len() as u32;
        self.head.store(head as u8 & self.mask, Ordering::Relaxed);
        if round.len() == 0 {
            core::hint::cold_path();
            self.phase.store(phase ^ PHASE, Ordering::Relaxed);
            self.note_completed(self.entries);
        }
        head - before
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
            self.note_completed(self.entries);
        }
    }

    /// Counts completions, at the end of a round of the queue. So none costs an instruction of its own.
    fn note_completed(&self, count: u32) {
        let before = self.completed_before.load(Ordering::Relaxed);
        self.completed_before.store(before + u64::from(count), Ordering::Relaxed);
    }

    /// Returns how many commands the controller has completed. While it does so at the end of a round, this may be a round less.
    pub fn completed(&self) -> u64 {
        self.completed_before.load(Ordering::Relaxed) + u64::from(self.head.load(Ordering::Relaxed))
    }

    #[cold]
    #[inline(never)]
    fn complete_unusual(&self, status: usize) {
        let (id, status) = (status & 0xffff, status >> 17);
        let request = match u8::try_from(id) {
            Ok(id) => self.outstanding.take(id),
            Err(_) => {
                let lists = (&*self.lists, self.lists.device_address());
                match self.splits.go_on(id as u32, status != 0, lists.0, lists.1) {
                    Next::Due => return self.tail.want(|tail, request| self.submit_left(tail, request)),
                    Next::End(request) => Some(request),
                    Next::Unknown => None,
                }
            }
        };
        let Some(request) = request else { return self.complain_about(id) };
        if status == 0 {
            request.complete(block::OK);
        } else {
            self.counters.failed.add(1);
            self.complain(format_args!("a request failed: status {:#x}", status & 0x7ff));
            request.complete(block::ERROR);
        }
    }

    #[cold]
    #[inline(never)]
    fn complain_about(&self, id: usize) {
        self.counters.stray.add(1);
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
        while !self.polling.take() {
            thread::yield_now();
        }
    }

    /// Empties both queues of a controller that is disabled, and ends the requests that are outstanding with an error. The pair is
    /// suspended. A request that is submitted from here on waits in the submission queue.
    pub fn end_all(&self) {
        let empty = |tail: &mut u32| {
            for completion in self.completions.iter() {
                completion.status.set(0);
            }
            self.note_completed(u32::from(self.head.swap(0, Ordering::Relaxed)));
            self.phase.store(PHASE, Ordering::Relaxed);
            *tail = 0;
            let ended: [_; ENTRIES] = core::array::from_fn(|number| self.outstanding.take(number as u8));
            (ended, self.splits.take_all())
        };
        let (ended, split) = self.tail.use_alone(empty, |tail, request| self.submit_left(tail, request));
        // Without the turn: their submitters may submit again from there.
        let all = ended.into_iter().chain(split).flatten();
        all.for_each(|request| request.complete(block::ERROR));
    }

    /// Lets CPUs complete requests again, and shows the controller what was submitted since [`Pair::end_all`].
    pub fn resume(&self) {
        let show = |tail: &mut u32| {
            if *tail != 0 {
                self.tail_doorbell.write(*tail);
            }
        };
        self.tail.use_alone(show, |tail, request| self.submit_left(tail, request));
        if self.polling.end_is_early() {
            self.poll_again(0);
        }
    }
}

const _: () = assert!((PAGE as usize).is_multiple_of(size_of::<List>()), "a list does not cross a page");
