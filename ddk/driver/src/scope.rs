//! What ends with a device: memory that its driver keeps for it, and the threads, timers and block devices that refer to this memory.
use crate::counter::{Name, PublishedName};
use crate::memory::{Node, current_node};
use crate::sync::SpinLock;
use crate::thread;
use core::ffi::c_int;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, Ordering};

/// A record that stands for nothing: what it stood for has ended.
const FREE: c_int = -1;
/// A record of what is being created.
const CREATING: c_int = 0;
/// How long the end waits before it looks again.
const PAUSE_NS: u64 = 1_000_000;

/// What ends with a device. The driver's functions get it as a [`crate::device::Device`].
pub struct Scope {
    device: c_int,
    node: Option<Node>,
    lists: SpinLock<Lists>,
    /// How many interrupts the device has.
    interrupts: AtomicU32,
}

struct Lists {
    /// Nothing more is created.
    is_closed: bool,
    records: Option<NonNull<Record>>,
    blocks: Option<NonNull<Block>>,
    /// The names of counters in the memory, which are withdrawn before it is freed.
    counters: Option<NonNull<PublishedName>>,
}

// SAFETY: the lists lead to memory that belongs to the scope alone. All in a record is atomic, except `next`, which never changes once
// the record is in the list.
unsafe impl Send for Lists {}

/// The end of a block of memory, behind the values that it is for.
struct Block {
    next: Option<NonNull<Block>>,
    /// The address that the kernel knows the block by.
    start: NonNull<u8>,
}

/// What a record stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A thread.
    Thread = 0,
    /// A timer.
    Timer = 1,
    /// A block device.
    BlockDevice = 2,
}

/// The number of something that ends with the device, if not before.
#[derive(Debug)]
pub struct Record {
    kind: AtomicU8,
    id: AtomicI32,
    next: Option<NonNull<Record>>,
}

// SAFETY: `next` never changes once another CPU can see the record, and the rest is atomic.
unsafe impl Sync for Record {}

impl Record {
    /// Notes that what the record stands for has ended.
    pub fn free(&self) {
        self.id.store(FREE, Ordering::Release);
    }
}

impl Scope {
    /// Returns the scope of a device, with nothing in it.
    pub fn new(device: c_int) -> Self {
        let mut info = abi::DeviceInfo { Size: size_of::<abi::DeviceInfo>() as u32, ..Default::default() };
        // SAFETY: `info` is a local variable that nothing else refers to during the call.
        let is_known = unsafe { abi::Kernel_GetDeviceInfo(device, &mut info) };
        let node = Some(info.Node).filter(|node| is_known && *node >= 0);
        let lists = Lists { is_closed: false, records: None, blocks: None, counters: None };
        Self { device, node, lists: SpinLock::new(lists), interrupts: AtomicU32::new(0) }
    }

    /// Returns the device's number.
    pub const fn device(&self) -> c_int {
        self.device
    }

    /// Returns the device's node, if it is known.
    pub const fn node(&self) -> Option<Node> {
        self.node
    }

    /// Returns true if the scope ends: nothing more may be created.
    pub fn is_closed(&self) -> bool {
        self.lists.lock().is_closed
    }

    /// Notes how many interrupts the device has.
    pub fn set_interrupts(&self, count: u32) {
        self.interrupts.store(count, Ordering::Relaxed);
    }

    /// Allocates memory for `count` values, on the device's node or on this CPU's. It stays until [`Scope::free`].
    pub fn allocate<T>(&self, count: usize) -> Option<NonNull<T>> {
        let end = size_of::<T>().checked_mul(count)?.checked_next_multiple_of(align_of::<Block>())?;
        let bytes = end.checked_add(size_of::<Block>())?;
        let align = align_of::<T>().max(align_of::<Block>());
        let node = self.node.unwrap_or_else(current_node);
        // SAFETY: the function takes any numbers.
        let start = unsafe { abi::Kernel_AllocateMemoryFromNode(bytes, align, node) };
        let start = NonNull::new(start.cast::<u8>())?;
        // SAFETY: `end` lies in the block, and leaves room for a `Block`.
        let block = unsafe { start.byte_add(end) }.cast::<Block>();
        let mut lists = self.lists.lock();
        // SAFETY: the block is new, and `block` is aligned in it.
        unsafe { block.write(Block { next: lists.blocks, start }) };
        lists.blocks = Some(block);
        Some(start.cast())
    }

    /// Creates something that ends with the device. `create` returns its number, which is above 0, or another one if it cannot be. Returns
    /// the number and its record, or `None` if it cannot be, if there is no memory, or if the scope ends.
    pub fn create(&self, kind: Kind, create: impl FnOnce() -> c_int) -> Option<(c_int, &Record)> {
        let record = self.reserve(kind)?;
        let id = create();
        if id <= 0 {
            record.free();
            return None;
        }
        record.id.store(id, Ordering::Release);
        Some((id, record))
    }

    /// Returns a record for what is about to be created.
    fn reserve(&self, kind: Kind) -> Option<&Record> {
        if let Some(record) = self.reuse(kind)? {
            return Some(record);
        }
        let record: NonNull<Record> = self.allocate(1)?;
        let mut lists = self.lists.lock();
        if lists.is_closed {
            return None;
        }
        let new =
            Record { kind: AtomicU8::new(kind as u8), id: AtomicI32::new(CREATING), next: lists.records };
        // SAFETY: the memory is new, and has room for a record. It stays as long as the scope.
        let record_ref = unsafe {
            record.write(new);
            record.as_ref()
        };
        lists.records = Some(record);
        Some(record_ref)
    }

    /// Takes a record that stands for nothing, if there is one. Returns `None` if the scope ends.
    fn reuse(&self, kind: Kind) -> Option<Option<&Record>> {
        let lists = self.lists.lock();
        if lists.is_closed {
            return None;
        }
        let free = self.records(lists.records).find(|record| record.id.load(Ordering::Relaxed) == FREE);
        if let Some(record) = free {
            record.kind.store(kind as u8, Ordering::Relaxed);
            record.id.store(CREATING, Ordering::Relaxed);
        }
        Some(free)
    }

    /// Iterates over the records from one of the list on.
    fn records(&self, first: Option<NonNull<Record>>) -> impl Iterator<Item = &Record> {
        // SAFETY: a record stays as long as the scope, and only shared references to it exist.
        let at = |record: NonNull<Record>| unsafe { record.as_ref() };
        core::iter::successors(first.map(at), move |record| record.next.map(at))
    }

    /// Ends all that ends with the device, except for the memory. On return nothing of it runs, nor will. The caller runs on a thread that is
    /// none of the scope's.
    pub fn close(&self) {
        let mut lists = self.lists.lock();
        lists.is_closed = true;
        // From here on the list of records does not change.
        let first = lists.records;
        drop(lists);
        let records = || self.records(first);
        // A thread may still use the others.
        of_kind(records(), Kind::Thread).for_each(end_thread);
        of_kind(records(), Kind::BlockDevice).for_each(|record| _ = end_block_device(record));
        for index in 0..self.interrupts.load(Ordering::Relaxed) {
            self.detach(index as c_int);
        }
        of_kind(records(), Kind::Timer).for_each(|record| _ = end_timer(record));
    }

    /// Publishes a counter by `publish`, which returns true if it has. The name is withdrawn before the scope's memory is freed. Returns false if
    /// `publish` does, or if there is no memory.
    pub fn note_counter(&self, name: Name, publish: impl FnOnce() -> bool) -> bool {
        let Some(place) = self.allocate::<PublishedName>(1) else { return false };
        if !publish() {
            return false;
        }
        let mut lists = self.lists.lock();
        // SAFETY: the memory is new, and has room for an element. It stays as long as the scope.
        unsafe { place.write(PublishedName::new(name, lists.counters)) };
        lists.counters = Some(place);
        true
    }

    /// Takes an interrupt's function away, if it has one.
    fn detach(&self, index: c_int) {
        let mut info =
            abi::InterruptInfo { Size: size_of::<abi::InterruptInfo>() as u32, ..Default::default() };
        // SAFETY: `info` is a local variable that nothing else refers to during the call, and the functions take any numbers.
        unsafe {
            if abi::Kernel_GetInterruptInfo(self.device, index, &mut info) && info.Vector != 0 {
                abi::Kernel_DetachInterrupt(self.device, index);
            }
        }
    }

    /// Frees all memory of the scope.
    ///
    /// # Safety
    /// The scope is closed, and nothing refers to its memory any more.
    pub unsafe fn free(&self) {
        let mut counter = self.lists.lock().counters.take();
        while let Some(published) = counter {
            // SAFETY: `note_counter` has written it, into memory that is freed below.
            counter = unsafe { published.as_ref() }.withdraw();
        }
        let mut next = self.lists.lock().blocks.take();
        while let Some(block) = next {
            // SAFETY: `allocate` has written it, and by `# Safety` nothing else refers to it.
            let Block { next: following, start } = unsafe { block.read() };
            // SAFETY: the kernel has granted the block, and by `# Safety` nothing refers to it.
            unsafe { abi::Kernel_FreeMemory(start.as_ptr().cast()) };
            next = following;
        }
    }
}

fn of_kind<'s>(records: impl Iterator<Item = &'s Record>, kind: Kind) -> impl Iterator<Item = &'s Record> {
    records.filter(move |record| record.kind.load(Ordering::Relaxed) == kind as u8)
}

/// Returns the number of what a record stands for, once it is created; `None` if it has ended.
fn live_id(record: &Record) -> Option<c_int> {
    loop {
        match record.id.load(Ordering::Acquire) {
            CREATING => thread::yield_now(),
            id => return (id > 0).then_some(id),
        }
    }
}

/// Waits until a thread has ended.
fn end_thread(record: &Record) {
    while let Some(id) = live_id(record) {
        // SAFETY: a null pointer stands for no exit code. The function takes any number.
        if unsafe { abi::Kernel_JoinThread(id, core::ptr::null_mut()) } == 0 {
            return record.free();
        }
        // Another thread joins it, and notes that.
        thread::sleep_ns(PAUSE_NS);
    }
}

/// Destroys a timer. Returns false if the kernel refuses it, as it does in a handler: then the timer stays until the scope ends.
pub fn end_timer(record: &Record) -> bool {
    let Some(id) = live_id(record) else { return true };
    // SAFETY: the function takes any number.
    let is_destroyed = unsafe { abi::Kernel_DestroyTimer(id) };
    if is_destroyed {
        record.free();
    }
    is_destroyed
}

/// Unregisters a block device, unless the kernel has done so. Returns false if the kernel refuses it: then it stays until the scope ends.
pub fn end_block_device(record: &Record) -> bool {
    let Some(id) = live_id(record) else { return true };
    // SAFETY: the function takes any number.
    let is_unregistered = !crate::block::is_registered(id) || unsafe { abi::Kernel_UnregisterBlock(id) };
    if is_unregistered {
        record.free();
    }
    is_unregistered
}
