//! Serving a block device: the functions that the kernel calls, and the requests that they get.
use crate::device::Device;
use crate::scope::{self, Kind, Record};
use core::ffi::{c_char, c_int, c_void};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};

pub(super) use abi::BlockRequest;
use abi::{BLOCK_STATE_TAG, DmaSegment, KERNEL_BLOCK_NAME_SIZE};

/// A queue of a block device. The kernel calls both functions on any CPU, also on several at once, and in handlers. They must not
/// block or allocate. In them the kernel takes the driver whose functions they are for the caller.
pub trait BlockQueue: Sync {
    /// Accepts requests, in their order. The kernel has checked them. Returns the number of requests that it took from
    /// `requests`. Fewer than all mean that the queue is full.
    fn submit(&self, requests: Requests<'_>) -> u32;

    /// Completes what the device has done on the queue. Returns the number of completions.
    fn poll(&self) -> u32;
}

/// What a block device is like.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Bytes of a block.
    pub block_size: u32,
    /// The number of blocks.
    pub blocks: u64,
    /// The most bytes of a request.
    pub max_bytes: u64,
    /// The most segments of a request.
    pub max_segments: u32,
    /// The most requests that a queue holds. Tags are below it.
    pub depth: u32,
}

/// A block device that is registered. Dropping it unregisters it, and ends its requests. If a device serves it, it ends with the device.
#[derive(Debug)]
pub struct Block<'d> {
    id: c_int,
    record: Option<&'d Record>,
}

impl Block<'static> {
    /// Registers a block device that no device serves: a disk in memory, for example. Queue i is for the CPUs whose index modulo the number
    /// of queues is i. A name of more than 31 bytes is cut. Returns `None` if the kernel refuses it, for example because the name is taken.
    pub fn register<Q: BlockQueue>(
        name: &str,
        geometry: &Geometry,
        queues: &'static [&'static Q],
    ) -> Option<Self> {
        // SAFETY: the queues stay for good.
        let id = unsafe { register(0, name, geometry, queues) };
        // Not `then_some`: it would make a block device, and unregister it.
        (id > 0).then(|| Self { id, record: None })
    }
}

impl<'d> Device<'d> {
    /// Registers a block device that this device serves, as [`Block::register`] does. Its queues live as long as the device.
    pub fn register_block<Q: BlockQueue>(
        self,
        name: &str,
        geometry: &Geometry,
        queues: &'d [&'d Q],
    ) -> Option<Block<'d>> {
        // SAFETY: the scope unregisters the block device before `'d` ends, if the kernel has not done so before.
        let create = || unsafe { register(self.id(), name, geometry, queues) };
        let (id, record) = self.scope().create(Kind::BlockDevice, create)?;
        Some(Block { id, record: Some(record) })
    }
}

/// Registers a block device, and returns its id, or -1.
///
/// # Safety
/// It is unregistered before the lifetime of the queues ends.
unsafe fn register<Q: BlockQueue>(device: c_int, name: &str, geometry: &Geometry, queues: &[&Q]) -> c_int {
    let mut field: [c_char; KERNEL_BLOCK_NAME_SIZE] = [0; _];
    let room = field.len() - 1;
    field.iter_mut().take(room).zip(name.bytes()).for_each(|(to, byte)| *to = byte as c_char);
    let description = abi::BlockDriver {
        Size: size_of::<abi::BlockDriver>() as u32,
        Flags: 0,
        Device: device,
        BlockSize: geometry.block_size,
        Blocks: geometry.blocks,
        MaxBytes: geometry.max_bytes,
        MaxSegments: geometry.max_segments,
        Queues: queues.len() as u32,
        Depth: geometry.depth,
        Reserved: 0,
        Name: field,
        Context: queues.as_ptr().cast_mut().cast(),
        Submit: Some(submit::<Q>),
        Poll: Some(poll::<Q>),
    };
    // SAFETY: the description is a local variable. Its functions take a slice of so many `&Q` as their context.
    unsafe { abi::Kernel_RegisterBlock(&description) }
}

/// Returns true if there is a block device with this number.
pub(crate) fn is_registered(block: c_int) -> bool {
    // SAFETY: zeros are valid in each field, which are numbers.
    let mut info: abi::BlockInfo = unsafe { core::mem::zeroed() };
    info.Size = size_of::<abi::BlockInfo>() as u32;
    // SAFETY: `info` is a local variable that nothing else refers to during the call.
    unsafe { abi::Kernel_GetBlockInfo(block, &mut info) }
}

impl Block<'_> {
    /// Returns the number that the kernel knows the block device by.
    #[must_use]
    pub const fn id(&self) -> c_int {
        self.id
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.record {
            scope::end_block_device(record);
        } else {
            // SAFETY: the function takes any number.
            unsafe { abi::Kernel_UnregisterBlock(self.id) };
        }
    }
}

/// Polls a block device's queue, or that of the calling CPU, through the kernel, which then completes requests faster. An interrupt
/// handler calls this.
#[inline]
pub fn poll_through_kernel(block: c_int, queue: Option<u32>) -> u32 {
    // SAFETY: the function takes any numbers.
    unsafe { abi::Kernel_PollBlock(block, queue.map_or(-1, |queue| queue as c_int)) as u32 }
}

unsafe extern "C" fn submit<Q: BlockQueue>(
    context: *mut c_void,
    queue: c_int,
    first: *const *mut BlockRequest,
    count: c_int,
) -> c_int {
    // SAFETY: the kernel passes `count` pointers.
    let end = unsafe { first.add(count as usize) };
    let requests = Requests { next: first, end, life: PhantomData };
    // SAFETY: the kernel passes what `Block::register` has given to it, and an index of a queue.
    unsafe { queue_of::<Q>(context, queue) }.submit(requests) as c_int
}

unsafe extern "C" fn poll<Q: BlockQueue>(context: *mut c_void, queue: c_int) -> c_int {
    // SAFETY: the kernel passes what `Block::register` has given to it, and an index of a queue.
    unsafe { queue_of::<Q>(context, queue) }.poll() as c_int
}

/// Returns the queue with this index.
///
/// # Safety
/// The context is the first of more than `index` references that are valid during `'q`, and the index is not negative.
#[inline(always)]
unsafe fn queue_of<'q, Q>(context: *mut c_void, index: c_int) -> &'q Q {
    // SAFETY: `# Safety`.
    unsafe { *context.cast::<&'q Q>().add(index as u32 as usize) }
}

/// Requests that the kernel offers. The driver accepts what it takes from them.
#[derive(Clone)]
pub struct Requests<'r> {
    next: *const *mut BlockRequest,
    end: *const *mut BlockRequest,
    life: PhantomData<&'r BlockRequest>,
}

impl<'r> Iterator for Requests<'r> {
    type Item = Request<'r>;

    #[inline(always)]
    fn next(&mut self) -> Option<Request<'r>> {
        let request = self.peek()?;
        // SAFETY: `next` is not behind the last pointer.
        self.next = unsafe { self.next.add(1) };
        Some(request)
    }
}

impl<'r> Requests<'r> {
    /// Returns no requests.
    #[must_use]
    pub const fn none() -> Self {
        Self { next: core::ptr::null(), end: core::ptr::null(), life: PhantomData }
    }

    #[inline(always)]
    fn peek(&self) -> Option<Request<'r>> {
        if self.next == self.end {
            return None;
        }
        // SAFETY: the kernel has checked this request, so the pointer is not null.
        let request = unsafe { NonNull::new_unchecked(*self.next) };
        Some(Request { request, life: PhantomData })
    }

    /// Returns the next request without accepting it.
    #[inline(always)]
    #[must_use]
    pub fn first(&self) -> Option<NextRequest<'_>> {
        self.peek().map(NextRequest)
    }

    /// Goes on behind so many requests, but not behind the last one.
    #[inline(always)]
    pub fn advance(&mut self, count: u32) {
        let count = count.min(self.left());
        // SAFETY: so many are left.
        self.next = unsafe { self.next.add(count as usize) };
    }

    /// Returns how many requests are left.
    #[inline(always)]
    #[must_use]
    pub fn left(&self) -> u32 {
        // SAFETY: both point into the array, or behind its last element.
        unsafe { self.end.offset_from(self.next) as u32 }
    }
}

/// A request that is not accepted yet.
pub struct NextRequest<'r>(Request<'r>);

impl NextRequest<'_> {
    /// Returns true if the submitter polls.
    #[inline(always)]
    #[must_use]
    pub fn is_polled(&self) -> bool {
        self.0.is_polled()
    }

    /// Returns the segment of a request that has exactly one, and as many blocks as `length` says.
    #[inline(always)]
    #[must_use]
    pub fn segment_of_length(&self, length: Length) -> Option<DmaSegment> {
        self.0.segment_of_length(length)
    }

    /// Returns the length of a request that has exactly one segment.
    #[inline(always)]
    #[must_use]
    pub fn length(&self) -> Option<Length> {
        self.0.length()
    }

    /// Returns the operation and the flags: with [`FLAGS`] as their lowest bit. One access reads both.
    #[inline(always)]
    #[must_use]
    pub fn operation_and_flags(&self) -> u32 {
        self.0.operation_and_flags()
    }
}

/// The lowest bit of the flags in [`NextRequest::operation_and_flags`]. The bits below are the operation.
pub const FLAGS: u32 = 1 << 16;

/// The length of a request with one segment. The requests of a batch often have the same, so that one comparison says all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Length(u64);

impl Length {
    /// The count of segments, above that of the blocks.
    const ONE_SEGMENT: u64 = 1 << 32;

    /// The length of no request.
    pub const NONE: Self = Self(Self::ONE_SEGMENT);

    /// Returns the number of blocks.
    #[inline(always)]
    #[must_use]
    pub const fn blocks(self) -> u32 {
        self.0 as u32
    }
}

/// A request that the driver has accepted. It is to be put into an [`OutstandingTable`], or completed.
pub struct Request<'r> {
    request: NonNull<BlockRequest>,
    life: PhantomData<&'r BlockRequest>,
}

macro_rules! field {
    ($request:expr, $field:ident) => {
        // SAFETY: the kernel has checked that the request is there, and its submitter leaves it unchanged until it is completed, which
        // takes this value.
        unsafe { (&raw const (*$request.request.as_ptr()).$field).read() }
    };
}

impl Request<'_> {
    /// Returns the request's address, and ends the use of the request.
    pub(super) fn into_pointer(self) -> NonNull<BlockRequest> {
        self.request
    }

    /// Returns the request at this address.
    ///
    /// # Safety
    /// The driver has accepted the request, and neither it nor the kernel ends it as long as this value is used.
    pub(super) const unsafe fn from_pointer(request: NonNull<BlockRequest>) -> Self {
        Self { request, life: PhantomData }
    }

    /// Returns the operation: [`super::READ`], [`super::WRITE`] or [`super::FLUSH`].
    #[inline(always)]
    #[must_use]
    pub fn operation(&self) -> u16 {
        field!(self, Operation)
    }

    /// Returns the operation and the flags: with [`FLAGS`] as their lowest bit. One access reads both.
    #[inline(always)]
    #[must_use]
    pub fn operation_and_flags(&self) -> u32 {
        const {
            assert!(
                core::mem::offset_of!(BlockRequest, Flags)
                    == core::mem::offset_of!(BlockRequest, Operation) + 2
            )
        };
        // SAFETY: as for each field. Both fields are there, and the request is aligned to 8 bytes.
        unsafe { (&raw const (*self.request.as_ptr()).Operation).cast::<u32>().read() }
    }

    /// Returns true if the submitter polls.
    #[inline(always)]
    #[must_use]
    pub fn is_polled(&self) -> bool {
        field!(self, Flags) & abi::BLOCK_POLLED != 0
    }

    /// Returns the first block.
    #[inline(always)]
    #[must_use]
    pub fn block(&self) -> u64 {
        field!(self, Block)
    }

    /// Returns the number of blocks.
    #[inline(always)]
    #[must_use]
    pub fn count(&self) -> u32 {
        field!(self, Count)
    }

    /// Returns the request's tag, which no other outstanding request of the queue has. It is below the queue's depth.
    #[inline(always)]
    #[must_use]
    pub fn tag(&self) -> u32 {
        field!(self, State) & BLOCK_STATE_TAG
    }

    /// Returns the segment of a request that has exactly one.
    #[inline(always)]
    #[must_use]
    pub fn only_segment(&self) -> Option<DmaSegment> {
        let segment = field!(self, Segments);
        // SAFETY: the kernel has checked that the segment is there, and it stays as the request does.
        (field!(self, SegmentCount) == 1).then(|| unsafe { segment.read() })
    }

    /// Returns the length of a request that has exactly one segment.
    #[inline(always)]
    #[must_use]
    pub fn length(&self) -> Option<Length> {
        let counts = self.counts();
        (counts >> 32 == 1).then_some(Length(counts))
    }

    /// Returns the segment of a request that has exactly one, and as many blocks as `length` says.
    #[inline(always)]
    #[must_use]
    pub fn segment_of_length(&self, length: Length) -> Option<DmaSegment> {
        let segment = field!(self, Segments);
        // SAFETY: the kernel has checked that the segment is there, and it stays as the request does. A length has one segment.
        (self.counts() == length.0).then(|| unsafe { segment.read() })
    }

    /// Reads the number of blocks, and above it that of the segments, with one access.
    #[inline(always)]
    fn counts(&self) -> u64 {
        use core::mem::offset_of;
        const {
            assert!(offset_of!(BlockRequest, SegmentCount) == offset_of!(BlockRequest, Count) + 4);
            assert!(offset_of!(BlockRequest, Count).is_multiple_of(8));
        };
        // SAFETY: as for each field. Both fields are there, and the request is aligned to 8 bytes.
        unsafe { (&raw const (*self.request.as_ptr()).Count).cast::<u64>().read() }
    }

    /// Returns the segments.
    pub fn segments(&self) -> impl Iterator<Item = DmaSegment> + '_ {
        let first = field!(self, Segments);
        // SAFETY: the kernel has checked that so many segments are there, and they stay as the request does.
        (0..field!(self, SegmentCount) as usize).map(move |index| unsafe { first.add(index).read() })
    }

    /// Ends the request, with one of the statuses of this module.
    pub fn complete(self, status: i32) {
        Accepted(self.request).complete(status);
    }
}

/// An accepted request. Nothing in it can be read: the kernel may have ended it, when the block device was unregistered.
pub struct Accepted(NonNull<BlockRequest>);

impl Accepted {
    /// Ends the request, with one of the statuses of this module. The kernel refuses a request that has ended.
    #[inline(always)]
    pub fn complete(self, status: i32) {
        // SAFETY: the kernel takes any pointer, and ends only requests that are outstanding.
        unsafe { abi::Kernel_CompleteBlock(self.0.as_ptr(), status) };
    }
}

/// How often [`OutstandingTable::grow_older`] counts a request: the lower bits of its entry, which its address does not use.
const AGE: usize = align_of::<BlockRequest>() - 1;

/// The outstanding requests of a queue, by a number below 256: usually their tags.
pub struct OutstandingTable([AtomicPtr<BlockRequest>; 256]);

impl OutstandingTable {
    /// Returns an empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { AtomicPtr::new(core::ptr::null_mut()) }; 256])
    }

    /// Notes a request under a number, and forgets the request that had it before.
    #[inline(always)]
    pub fn put(&self, number: u8, request: &Request<'_>) {
        self.0[usize::from(number)].store(request.request.as_ptr(), Ordering::Relaxed);
    }

    /// Takes the request under a number. The caller ensures that two CPUs do not take the same one: both would get it.
    #[inline(always)]
    pub fn take(&self, number: u8) -> Option<Accepted> {
        let entry = &self.0[usize::from(number)];
        // An entry is null, or the address of a request with its age.
        let request = entry.load(Ordering::Relaxed).map_addr(|address| address & !AGE);
        let request = NonNull::new(request)?;
        entry.store(core::ptr::null_mut(), Ordering::Relaxed);
        Some(Accepted(request))
    }

    /// Makes each request older by one, up to 7, and returns the age of the oldest. A request that is put into the table has age 0.
    pub fn grow_older(&self) -> usize {
        let mut oldest = 0;
        for entry in &self.0 {
            let request = entry.load(Ordering::Relaxed);
            let age = request.addr() & AGE;
            if request.is_null() || age == AGE {
                oldest = oldest.max(age);
                continue;
            }
            // Another CPU may take it or put another one there meanwhile.
            let older = request.wrapping_byte_add(1);
            if entry.compare_exchange(request, older, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                oldest = oldest.max(age + 1);
            }
        }
        oldest
    }
}

impl OutstandingTable {
    /// Returns the age of the oldest request, as [`OutstandingTable::grow_older`] does, but makes none older.
    #[must_use]
    pub fn oldest(&self) -> usize {
        self.0.iter().map(|entry| entry.load(Ordering::Relaxed).addr() & AGE).max().unwrap_or(0)
    }
}

impl Default for OutstandingTable {
    fn default() -> Self {
        Self::new()
    }
}
