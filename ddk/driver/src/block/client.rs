//! Using a block device: requests in batches, with memory of their own.
use crate::memory::Node;
use crate::sync::Countdown;
use core::ffi::{CStr, c_char, c_int};
use core::ptr::NonNull;

pub use abi::BlockInfo;
use abi::{
    BLOCK_FLUSH, BLOCK_POLLED, BLOCK_READ, BLOCK_WRITE, BlockRequest, DmaSegment, KERNEL_BLOCK_NAME_SIZE,
};

/// Bytes of a page.
const PAGE: u64 = 4096;

/// A block device, which may belong to any driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disk(c_int);

impl Disk {
    /// Returns the block device with this name.
    #[must_use]
    pub fn open(name: &CStr) -> Option<Self> {
        // SAFETY: the name ends with a zero byte.
        let id = unsafe { abi::Kernel_OpenBlock(name.as_ptr(), 0) };
        (id > 0).then_some(Self(id))
    }

    /// Returns the block device after another one, or the first.
    #[must_use]
    pub fn next(after: Option<Self>) -> Option<Self> {
        // SAFETY: a null name stands for any.
        let id = unsafe { abi::Kernel_OpenBlock(core::ptr::null(), after.map_or(0, |disk| disk.0)) };
        (id > 0).then_some(Self(id))
    }

    /// Returns what is known of the block device, or `None` if it is gone.
    #[must_use]
    pub fn info(&self) -> Option<BlockInfo> {
        // SAFETY: zeros are valid in each field, which are numbers.
        let mut info: BlockInfo = unsafe { core::mem::zeroed() };
        info.Size = size_of::<BlockInfo>() as u32;
        // SAFETY: `info` is a local variable that nothing else refers to during the call.
        unsafe { abi::Kernel_GetBlockInfo(self.0, &mut info) }.then_some(info)
    }

    /// Completes what the device has done on the calling CPU's queue, and returns how many requests these were.
    #[inline(always)]
    pub fn poll(&self) -> u32 {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_PollBlock(self.0, -1) as u32 }
    }
}

/// Returns the text in a field of [`BlockInfo`], up to its zero byte.
#[must_use]
pub fn text(field: &[c_char; KERNEL_BLOCK_NAME_SIZE]) -> &str {
    // SAFETY: both integers have one byte, and all of their values are valid.
    let bytes = unsafe { core::slice::from_raw_parts(field.as_ptr().cast::<u8>(), field.len()) };
    CStr::from_bytes_until_nul(bytes).ok().and_then(|text| text.to_str().ok()).unwrap_or("?")
}

/// What a request does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transfer {
    /// Reads this number of blocks from this one on.
    Read(u64, u32),
    /// Writes this number of blocks from this one on.
    Write(u64, u32),
    /// Makes the medium keep what was written.
    Flush,
}

/// A request, and what it needs. The request begins a cache line.
#[repr(C, align(64))]
struct Slot {
    request: BlockRequest,
    segment: DmaSegment,
}

/// How many requests are outstanding: the kernel counts them down. It lies in front of the slots.
#[repr(C, align(64))]
struct Ended(Countdown);

/// Requests that are submitted together, each with memory for its data. They belong to one thread at a time.
pub struct Batch {
    disk: Disk,
    ended: NonNull<Ended>,
    slots: NonNull<Slot>,
    pointers: NonNull<*mut BlockRequest>,
    data: NonNull<u64>,
    pages: u64,
    physical: u64,
    count: usize,
    bytes_each: usize,
}

// SAFETY: the memory is the batch's own. What the kernel touches of it is atomic, or left alone while requests are outstanding.
unsafe impl Send for Batch {}

impl Batch {
    /// Makes `count` requests with memory for `bytes_each` bytes, at least 8, on a node. Returns `None` if there is not enough
    /// memory, or if the disk cannot access it.
    #[must_use]
    pub fn new(disk: Disk, count: usize, bytes_each: usize, node: Option<Node>) -> Option<Self> {
        let bytes_each = bytes_each.checked_next_multiple_of(PAGE as usize)?;
        let pages = (count.checked_mul(bytes_each)? as u64).checked_div(PAGE).filter(|&pages| pages > 0)?;
        let slots_at = size_of::<Ended>();
        let pointers_at = slots_at + count.checked_mul(size_of::<Slot>())?;
        let bytes = pointers_at + count * size_of::<*mut BlockRequest>();
        // SAFETY: the functions take any numbers.
        let (memory, physical) = unsafe {
            let memory: NonNull<u8> =
                NonNull::new(abi::Kernel_AllocateMemory(bytes, align_of::<Slot>()).cast())?;
            let node = node.unwrap_or_else(crate::memory::current_node);
            (memory, abi::Kernel_AllocatePagesFromNode(pages, node))
        };
        // SAFETY: the function takes any number.
        let data = (physical != 0).then(|| unsafe { abi::Kernel_PhysToVirt(physical) });
        let Some(data) = data.and_then(|data| NonNull::new(data.cast::<u64>())) else {
            // SAFETY: nothing uses the block.
            unsafe { abi::Kernel_FreeMemory(memory.as_ptr().cast()) };
            return None;
        };
        // SAFETY: the offsets lie in the block.
        let (slots, pointers) = unsafe { (memory.byte_add(slots_at), memory.byte_add(pointers_at)) };
        let batch = Self {
            disk,
            ended: memory.cast(),
            slots: slots.cast(),
            pointers: pointers.cast(),
            data,
            pages,
            physical,
            count,
            bytes_each,
        };
        // SAFETY: the block and the pages are new, nothing else uses them, and they have room.
        unsafe { batch.fill() };
        batch.is_mapped().then_some(batch)
    }

    /// # Safety
    /// Nothing else uses the batch's memory, and no request is outstanding.
    unsafe fn fill(&self) {
        // SAFETY: by `# Safety` the memory is the caller's. Each offset is below what `new` has allocated.
        unsafe {
            self.ended.write(Ended(Countdown::new()));
            self.data.write_bytes(0, self.pages as usize * (PAGE as usize / size_of::<u64>()));
            for index in 0..self.count {
                let slot = self.slots.add(index);
                slot.write(Slot {
                    request: self.empty_request(&raw const (*slot.as_ptr()).segment),
                    segment: DmaSegment {
                        Address: self.physical + (index * self.bytes_each) as u64,
                        Bytes: 0,
                    },
                });
                self.pointers.add(index).write(&raw mut (*slot.as_ptr()).request);
            }
        }
    }

    /// Returns a request that is counted down when it is done.
    fn empty_request(&self, segment: *const DmaSegment) -> BlockRequest {
        BlockRequest {
            Size: size_of::<BlockRequest>() as u32,
            Operation: BLOCK_READ,
            Flags: 0,
            Count: 0,
            SegmentCount: 1,
            Block: 0,
            Segments: segment,
            Done: Some(abi::Kernel_CountDown),
            Context: self.ended.as_ptr().cast(),
            Queue: -1,
            Status: 0,
            State: 0,
            Reserved: 0,
            ForDriver: [0; 4],
        }
    }

    /// Gives the disk access to the data. Returns false if that cannot be.
    fn is_mapped(&self) -> bool {
        let Some(info) = self.disk.info() else { return false };
        if info.Device == 0 {
            return true;
        }
        (0..self.count).all(|index| {
            let mut segment = DmaSegment::default();
            let direction = abi::DMA_TO_DEVICE | abi::DMA_FROM_DEVICE;
            // SAFETY: the memory is the batch's own, which keeps it until no request is outstanding. `segment` is a local variable.
            let used = unsafe {
                let memory = self.data.byte_add(index * self.bytes_each).as_ptr().cast();
                abi::Kernel_MapDma(info.Device, memory, self.bytes_each, direction, &mut segment, 1)
            };
            // SAFETY: no request is outstanding, and the slot exists.
            unsafe { (*self.slots.add(index).as_ptr()).segment.Address = segment.Address };
            used == 1
        })
    }

    #[inline(always)]
    fn outstanding(&self) -> &Countdown {
        // SAFETY: `fill` has written it, and all in it is atomic.
        unsafe { &self.ended.as_ref().0 }
    }

    /// Returns true if no request is outstanding.
    #[inline(always)]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.outstanding().is_over()
    }

    /// Says what a request does. With `polled` the device raises no interrupt for it. A size that the request's memory does not
    /// have makes the kernel refuse it.
    ///
    /// # Panics
    /// If there is no such request, or if one is outstanding.
    pub fn prepare(&mut self, index: usize, transfer: Transfer, polled: bool) {
        assert!(index < self.count && self.is_idle(), "the requests are outstanding");
        let block_size = self.disk.info().map_or(0, |info| info.BlockSize as usize);
        let (operation, block, count) = match transfer {
            Transfer::Read(block, count) => (BLOCK_READ, block, count),
            Transfer::Write(block, count) => (BLOCK_WRITE, block, count),
            Transfer::Flush => (BLOCK_FLUSH, 0, 0),
        };
        let bytes = block_size.saturating_mul(count as usize);
        // SAFETY: the slot exists, and no request is outstanding, so nothing else uses it.
        let slot = unsafe { &mut *self.slots.add(index).as_ptr() };
        slot.segment.Bytes = if bytes <= self.bytes_each { bytes as u64 } else { 0 };
        slot.request.Operation = operation;
        slot.request.Flags = if polled { BLOCK_POLLED } else { 0 };
        slot.request.Block = block;
        slot.request.Count = count;
        slot.request.SegmentCount = u32::from(operation != BLOCK_FLUSH);
    }

    /// Submits the first `count` requests to the calling CPU's queue. Returns how many were accepted.
    ///
    /// # Panics
    /// If there are not so many requests, or if one is outstanding.
    #[inline(always)]
    pub fn submit(&mut self, count: usize) -> usize {
        assert!(count <= self.count && self.is_idle(), "the requests are outstanding");
        self.outstanding().start(count as u32);
        // SAFETY: the requests stay as they are until they are done: `is_idle` guards each access, and `drop` waits for that.
        let accepted =
            unsafe { abi::Kernel_SubmitBlock(self.disk.0, self.pointers.as_ptr(), count as c_int) };
        if accepted == count as c_int { count } else { self.forget(count, accepted.max(0) as usize) }
    }

    /// Counts the requests that were not accepted as done. Returns how many were accepted.
    #[cold]
    fn forget(&self, count: usize, accepted: usize) -> usize {
        (accepted..count).for_each(|_| self.outstanding().end_one());
        accepted
    }

    /// Waits until all requests are done. The thread sleeps meanwhile, so no request may be a polled one.
    pub fn wait(&self) {
        self.outstanding().wait();
    }

    /// Waits until all requests are done, for at most so many nanoseconds. Returns false if the time has passed.
    #[must_use]
    pub fn wait_for(&self, time_ns: u64) -> bool {
        self.outstanding().wait_for(time_ns)
    }

    /// Returns the status of a request, or `None` if there is no such request or if requests are outstanding.
    #[must_use]
    pub fn status(&self, index: usize) -> Option<i32> {
        // SAFETY: the slot exists, and no request is outstanding, so nothing writes it.
        (index < self.count && self.is_idle())
            .then(|| unsafe { (*self.slots.add(index).as_ptr()).request.Status })
    }

    /// Reads a word of a request's data.
    ///
    /// # Panics
    /// If there is no such request or word.
    #[must_use]
    pub fn word(&self, index: usize, word: usize) -> u64 {
        // SAFETY: `at` has checked the place.
        unsafe { self.at(index, word).read_volatile() }
    }

    /// Writes a word of a request's data.
    ///
    /// # Panics
    /// If there is no such request or word.
    pub fn set_word(&mut self, index: usize, word: usize, value: u64) {
        // SAFETY: `at` has checked the place.
        unsafe { self.at(index, word).write_volatile(value) }
    }

    /// Returns true if the first `words` words of a request's data are zero.
    ///
    /// # Panics
    /// If there is no such request, or if it has fewer words.
    #[must_use]
    pub fn is_zero(&self, index: usize, words: usize) -> bool {
        let Some(last) = words.checked_sub(1) else { return true };
        self.at(index, last);
        let first = self.at(index, 0);
        // SAFETY: `at` has checked the first and the last word.
        (0..words).all(|word| unsafe { first.add(word).read_volatile() } == 0)
    }

    fn at(&self, index: usize, word: usize) -> NonNull<u64> {
        let words = self.bytes_each / size_of::<u64>();
        assert!(index < self.count && word < words, "the batch has no such word");
        // SAFETY: the word lies in the pages of the batch.
        unsafe { self.data.add(index * words + word) }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        while !self.is_idle() {
            self.disk.poll();
            crate::thread::yield_now();
        }
        // SAFETY: no request is outstanding, so nobody uses the memory. The kernel wakes by an
        // address, which it does not follow.
        unsafe {
            abi::Kernel_FreePages(self.physical, self.pages);
            abi::Kernel_FreeMemory(self.ended.as_ptr().cast());
        }
    }
}
