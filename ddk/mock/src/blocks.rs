//! Block devices and their outstanding requests.
use crate::contexts::Owner;
use crate::random::Random;
use abi::{BLOCK_FLUSH, BLOCK_POLLED, BLOCK_WRITE, BlockDriver, BlockRequest, DmaSegment};
use std::collections::BTreeMap;

/// The first id of a block device.
const FIRST_ID: i32 = 0x3_0001;
/// This bit of `State` is set while a request is outstanding.
pub const OUTSTANDING: u32 = 1 << 31;

/// What a request was when it was submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    operation: u16,
    flags: u16,
    count: u32,
    block: u64,
    segments: usize,
    segment_count: u32,
    done: usize,
    context: usize,
    queue: i32,
}

impl Asked {
    /// Reads what a request asks for.
    pub fn of(request: &BlockRequest) -> Self {
        Self {
            operation: request.Operation,
            flags: request.Flags,
            count: request.Count,
            block: request.Block,
            segments: request.Segments.addr(),
            segment_count: request.SegmentCount,
            done: request.Done.map_or(0, |done| done as usize),
            context: request.Context.addr(),
            queue: request.Queue,
        }
    }
}

/// A request that is outstanding.
#[derive(Clone, Copy, Debug)]
pub struct Outstanding {
    /// The queue.
    pub queue: usize,
    /// The tag.
    pub tag: u32,
    /// What it was when it was submitted.
    pub asked: Asked,
    /// Who has submitted it.
    pub submitter: Owner,
    /// The number of the submission.
    pub serial: u64,
}

/// A block device.
pub struct BlockDevice {
    /// The id.
    pub id: i32,
    /// Who has registered it.
    pub owner: Owner,
    /// What it was registered as.
    pub driver: BlockDriver,
    /// Its name.
    pub name: String,
    /// How many contexts are in its functions.
    pub users: usize,
    /// The outstanding requests, by their address.
    pub outstanding: BTreeMap<usize, Outstanding>,
    /// The free tags of each queue.
    free: Vec<Vec<u32>>,
}

/// All block devices.
#[derive(Default)]
pub struct Blocks {
    /// Those that are registered, in the order of their ids.
    pub all: Vec<BlockDevice>,
    /// Those that are being unregistered: their functions still run.
    pub closing: Vec<BlockDevice>,
    count: i32,
    serial: u64,
}

impl Blocks {
    /// Registers a block device whose fields were checked. Returns its id, or `None` if the name is taken.
    pub fn register(&mut self, driver: BlockDriver, name: String, owner: Owner) -> Option<i32> {
        if self.all.iter().any(|block| block.name == name) {
            return None;
        }
        let id = FIRST_ID + self.count;
        self.count += 1;
        let tags: Vec<u32> = (0..driver.Depth).rev().collect();
        let free = vec![tags; driver.Queues as usize];
        let outstanding = BTreeMap::new();
        self.all.push(BlockDevice { id, owner, driver, name, users: 0, outstanding, free });
        Some(id)
    }

    /// Returns the block device with this id.
    pub fn get(&mut self, id: i32) -> Option<&mut BlockDevice> {
        self.all.iter_mut().find(|block| block.id == id)
    }

    /// Returns the ids of the block devices that a device serves.
    pub fn of_device(&self, device: i32) -> Vec<i32> {
        self.all.iter().filter(|block| block.driver.Device == device).map(|block| block.id).collect()
    }

    /// Returns the ids of the driver's block devices.
    pub fn of_driver(&self) -> Vec<i32> {
        self.all.iter().filter(|block| block.owner == Owner::Driver).map(|block| block.id).collect()
    }

    /// Returns the number of a new submission.
    pub fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn any(&self) -> impl Iterator<Item = &BlockDevice> {
        self.all.iter().chain(&self.closing)
    }

    fn any_mut(&mut self) -> impl Iterator<Item = &mut BlockDevice> {
        self.all.iter_mut().chain(&mut self.closing)
    }

    /// Returns true if a request is outstanding, at any device.
    pub fn is_outstanding(&self, request: usize) -> bool {
        self.submission_of(request).is_some()
    }

    /// Returns the number of the submission of a request that is outstanding.
    pub fn submission_of(&self, request: usize) -> Option<u64> {
        self.any().find_map(|block| block.outstanding.get(&request)).map(|outstanding| outstanding.serial)
    }

    /// Returns the owner of the block device that has a request.
    pub fn owner_of(&self, request: usize) -> Option<Owner> {
        self.any().find(|block| block.outstanding.contains_key(&request)).map(|block| block.owner)
    }

    /// Ends a request. Returns what it was, or `None` if it is not outstanding.
    pub fn take(&mut self, request: usize) -> Option<Outstanding> {
        let block = self.any_mut().find(|block| block.outstanding.contains_key(&request))?;
        let outstanding = block.outstanding.remove(&request)?;
        block.free[outstanding.queue].push(outstanding.tag);
        Some(outstanding)
    }

    /// Returns true if a context is in a function of a block device.
    pub fn is_used(&self, id: i32) -> bool {
        self.any().any(|block| block.id == id && block.users > 0)
    }

    /// Notes that a context has left a function of a block device.
    pub fn leave(&mut self, id: i32) {
        if let Some(block) = self.any_mut().find(|block| block.id == id) {
            block.users -= 1;
        }
    }

    /// Forgets a block device that was unregistered, and returns it.
    pub fn close(&mut self, id: i32) -> Option<BlockDevice> {
        let index = self.closing.iter().position(|block| block.id == id)?;
        Some(self.closing.swap_remove(index))
    }
}

/// Returns true if the fields of a registration are as the contract says. The name is checked elsewhere.
pub fn is_valid(driver: &BlockDriver) -> bool {
    let size = u64::from(driver.BlockSize);
    driver.Flags == 0
        && driver.Reserved == 0
        && driver.BlockSize.is_power_of_two()
        && (512..=1 << 30).contains(&driver.BlockSize)
        && driver.Blocks >= 1
        && driver.Blocks.checked_mul(size).is_some_and(|bytes| bytes < 1 << 63)
        && driver.MaxBytes >= size
        && (1..=abi::KERNEL_BLOCK_MAX_SEGMENTS).contains(&driver.MaxSegments)
        && (1..=abi::KERNEL_BLOCK_MAX_QUEUES).contains(&driver.Queues)
        && (1..=abi::KERNEL_BLOCK_MAX_DEPTH).contains(&driver.Depth)
        && driver.Submit.is_some()
        && driver.Poll.is_some()
}

impl BlockDevice {
    /// Returns the queue that a number names on a CPU: -1 is that of the CPU.
    pub fn queue(&self, queue: i32, cpu: usize) -> Option<usize> {
        let queues = self.driver.Queues as usize;
        if queue == -1 {
            return Some(cpu % queues);
        }
        usize::try_from(queue).ok().filter(|queue| *queue < queues)
    }

    /// Returns true if a request is one that this device may get. `segments` reads the segments, if they are there.
    pub fn accepts(
        &self,
        request: &BlockRequest,
        segments: impl FnOnce(usize) -> Option<Vec<DmaSegment>>,
    ) -> bool {
        if request.Operation > BLOCK_FLUSH || request.Flags & !BLOCK_POLLED != 0 || request.Done.is_none() {
            return false;
        }
        if request.Operation == BLOCK_FLUSH {
            return (request.Block, request.Count, request.SegmentCount) == (0, 0, 0);
        }
        debug_assert!(request.Operation <= BLOCK_WRITE);
        let bytes = u64::from(request.Count) * u64::from(self.driver.BlockSize);
        let end = request.Block.checked_add(u64::from(request.Count));
        if request.Count == 0
            || end.is_none_or(|end| end > self.driver.Blocks)
            || bytes > self.driver.MaxBytes
            || !(1..=self.driver.MaxSegments).contains(&request.SegmentCount)
        {
            return false;
        }
        let Some(segments) = segments(request.SegmentCount as usize) else { return false };
        let sum = segments.iter().try_fold(0_u64, |sum, segment| sum.checked_add(segment.Bytes));
        sum == Some(bytes) && segments.iter().all(|segment| segment.Bytes > 0)
    }

    /// Takes a tag of a queue. Returns `None` if the queue is full.
    pub fn take_tag(&mut self, queue: usize, random: Option<&mut Random>) -> Option<u32> {
        let free = &mut self.free[queue];
        if let Some(random) = random.filter(|_| !free.is_empty()) {
            let index = random.below(free.len() as u64) as usize;
            let last = free.len() - 1;
            free.swap(index, last);
        }
        free.pop()
    }
}
