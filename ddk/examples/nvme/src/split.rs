//! Requests whose segments no single command can address. Each becomes several commands, one after the other, so that it never needs more
//! room in the submission queue than any request. The number of such a command is above those of all others.
use crate::pages::{self, Data, List, Misaligned};
use crate::registers::LIST;
use driver_kit::abi::DmaSegment;
use driver_kit::block::{Accepted, OutstandingTable, Request};
use driver_kit::sync::SpinLock;

/// The most requests of a pair that are split at a time.
const MOST: usize = 8;
/// The number of the first one's commands.
const FIRST_ID: u32 = 256;

/// A command for a part of a request.
#[derive(Clone, Copy)]
pub struct PartCommand {
    /// The command's number.
    pub id: u16,
    pub opcode: u32,
    /// The first block.
    pub block: u64,
    /// The number of blocks.
    pub count: u32,
    pub data: Data,
}

/// What a completed command of this kind leads to.
pub enum Next {
    /// The next part is due: see [`Splits::take_due`].
    Due,
    /// The request has ended.
    End(Accepted),
    /// There is no such command.
    Unknown,
}

/// Why a request is not split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsplit {
    /// So many are being split already.
    Full,
    /// A part is no whole number of blocks, or begins at no multiple of 4.
    Misaligned,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    /// A request has the place, and no command yet.
    Prepared,
    /// A command of the request is outstanding or due.
    Begun,
}

/// A request that is being split. Its segments are copied: the request itself cannot be read once it is accepted.
#[derive(Clone, Copy)]
struct Split {
    state: State,
    /// The command of the next part, which no CPU has submitted yet.
    due: Option<PartCommand>,
    /// The request's tag, and with it its list of pages.
    tag: u8,
    opcode: u32,
    block: u64,
    block_size: u64,
    /// The segments that are left lie from `next` to `end`.
    segments: [DmaSegment; LIST],
    next: usize,
    end: usize,
}

const UNUSED: Split = Split {
    state: State::Free,
    due: None,
    tag: 0,
    opcode: 0,
    block: 0,
    block_size: 1,
    segments: [DmaSegment { Address: 0, Bytes: 0 }; LIST],
    next: 0,
    end: 0,
};

/// The requests of a pair that are being split.
pub struct Splits {
    splits: SpinLock<[Split; MOST]>,
    outstanding: OutstandingTable,
}

impl Splits {
    /// Returns a table without requests.
    pub fn new() -> Self {
        Self { splits: SpinLock::new([UNUSED; MOST]), outstanding: OutstandingTable::new() }
    }

    /// Makes room for a request that is to be split. `list` is the list of the request's tag. Any CPU may call this, before the request's
    /// command has its turn.
    pub fn prepare(
        &self,
        request: &Request<'_>,
        opcode: u32,
        (list, list_address): (&List, u64),
    ) -> Result<(), Unsplit> {
        let mut splits = self.splits.lock();
        let tag = request.tag() as u8;
        // A request of this tag that has not begun never will: its submitter has changed it meanwhile.
        let given_up = splits.iter().position(|split| split.state == State::Prepared && split.tag == tag);
        let free = || splits.iter().position(|split| split.state == State::Free);
        let Some(index) = given_up.or_else(free) else { return Err(Unsplit::Full) };
        let split = &mut splits[index];
        (split.state, split.next, split.end) = (State::Free, 0, 0);
        for (to, from) in split.segments.iter_mut().zip(request.segments()) {
            *to = from;
            split.end += 1;
        }
        let bytes: u64 = split.segments[..split.end].iter().map(|segment| segment.Bytes).sum();
        split.tag = tag;
        split.opcode = opcode;
        split.block = request.block();
        split.block_size = bytes.checked_div(u64::from(request.count())).unwrap_or(0);
        if !split.is_possible(list, list_address) {
            return Err(Unsplit::Misaligned);
        }
        split.state = State::Prepared;
        Ok(())
    }

    /// Begins to split a request for which there is room, and returns its first command. Returns `None` if there is no room for it.
    pub fn begin(&self, request: &Request<'_>, (list, list_address): (&List, u64)) -> Option<PartCommand> {
        let mut splits = self.splits.lock();
        let tag = request.tag() as u8;
        let index = splits.iter().position(|split| split.state == State::Prepared && split.tag == tag)?;
        let split = &mut splits[index];
        let command = split.next_command(index, list, list_address).ok()?;
        split.state = State::Begun;
        self.outstanding.put(index as u8, request);
        Some(command)
    }

    /// Goes on after the command with this number has completed. A command that has failed ends its request: no further one follows.
    pub fn go_on(&self, id: u32, has_failed: bool, lists: &[List], lists_address: u64) -> Next {
        let Some(index) = id.checked_sub(FIRST_ID).map(|index| index as usize) else { return Next::Unknown };
        let mut splits = self.splits.lock();
        // A command that is due is not outstanding.
        let is_outstanding = |split: &&mut Split| split.state == State::Begun && split.due.is_none();
        let Some(split) = splits.get_mut(index).filter(is_outstanding) else { return Next::Unknown };
        let tag = usize::from(split.tag);
        if !has_failed && split.next < split.end {
            let address = lists_address + (tag * size_of::<List>()) as u64;
            if let Some(Ok(command)) = lists.get(tag).map(|list| split.next_command(index, list, address)) {
                split.due = Some(command);
                return Next::Due;
            }
        }
        split.state = State::Free;
        self.outstanding.take(index as u8).map_or(Next::Unknown, Next::End)
    }

    /// Returns a command that is due, if there is one. The caller submits it.
    pub fn take_due(&self) -> Option<PartCommand> {
        self.splits.lock().iter_mut().find_map(|split| split.due.take())
    }

    /// Forgets all requests that have begun, and returns them.
    pub fn take_all(&self) -> [Option<Accepted>; MOST] {
        let mut splits = self.splits.lock();
        for split in splits.iter_mut().filter(|split| split.state == State::Begun) {
            (split.state, split.due) = (State::Free, None);
        }
        core::array::from_fn(|index| self.outstanding.take(index as u8))
    }

    /// Makes the requests older, and returns the age of the oldest.
    pub fn grow_older(&self) -> usize {
        self.outstanding.grow_older()
    }

    /// Returns the age of the oldest request.
    pub fn oldest(&self) -> usize {
        self.outstanding.oldest()
    }
}

impl Split {
    /// Returns true if each part is a whole number of blocks.
    fn is_possible(&self, list: &List, list_address: u64) -> bool {
        let mut left = &self.segments[..self.end];
        while !left.is_empty() {
            let Ok(part) = pages::describe(left.iter().copied(), list, list_address) else { return false };
            if !part.bytes.is_multiple_of(self.block_size) {
                return false;
            }
            left = &left[part.segments..];
        }
        self.block_size != 0
    }

    /// Returns the command for the next part.
    fn next_command(&mut self, index: usize, list: &List, address: u64) -> Result<PartCommand, Misaligned> {
        let left = self.segments[self.next..self.end].iter().copied();
        let part = pages::describe(left, list, address)?;
        let blocks = part.bytes / self.block_size.max(1);
        let id = (FIRST_ID as usize + index) as u16;
        let (opcode, block) = (self.opcode, self.block);
        self.next += part.segments;
        self.block += blocks;
        Ok(PartCommand { id, opcode, block, count: blocks as u32, data: part.data })
    }
}
