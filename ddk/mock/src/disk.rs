//! A block device as its users see it: buffers, and requests that the test submits.
use crate::contexts::State;
use crate::iommu::{Limits, Window};
use crate::regions::{PAGE, Use, pointer};
use crate::schedule;
use crate::world::with;
use abi::{
    BLOCK_FLUSH, BLOCK_POLLED, BLOCK_READ, BLOCK_WRITE, BlockInfo, BlockRequest, DMA_FROM_DEVICE,
    DMA_TO_DEVICE, DmaSegment,
};
use std::cell::{Cell, UnsafeCell};
use std::ffi::{CString, c_int};

/// The longest that a wait for a request takes, on the machine's clock.
const LIMIT_NS: u64 = 120_000_000_000;

/// A block device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disk(i32);

impl Disk {
    pub(crate) fn open(name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: the name ends with a zero byte.
        let id = unsafe { abi::Kernel_OpenBlock(name.as_ptr(), 0) };
        (id > 0).then_some(Self(id))
    }

    /// Returns the block device with this id.
    pub(crate) const fn of(id: i32) -> Self {
        Self(id)
    }

    /// Returns the id.
    #[must_use]
    pub const fn id(&self) -> i32 {
        self.0
    }

    /// Returns what is known of it, or `None` if it is gone.
    #[must_use]
    pub fn info(&self) -> Option<BlockInfo> {
        // SAFETY: zeros are valid in each field, which are numbers.
        let mut info: BlockInfo = unsafe { std::mem::zeroed() };
        info.Size = size_of::<BlockInfo>() as u32;
        // SAFETY: `info` is a local variable that nothing else refers to during the call.
        unsafe { abi::Kernel_GetBlockInfo(self.0, &mut info) }.then_some(info)
    }

    /// Allocates memory that the disk's device may access, and nothing around it. It stays until the end of the run.
    ///
    /// # Panics
    /// If the disk is gone or has no device, or if the host has no memory.
    #[must_use]
    pub fn buffer(&self, bytes: usize) -> Buffer {
        let device = self.info().expect("the disk is there").Device;
        with(|world| {
            let device = world.devices.find(device).expect("the disk has a device");
            let memory = world.regions.allocate(bytes, PAGE, Use::Buffer, Some(0)).expect("there is memory");
            let memory = memory.expose_provenance();
            let limits = Limits { alignment: 1, boundary: 0, highest: u64::MAX };
            let address = world.iommu.place(bytes as u64, limits).expect("there is an address");
            let direction = DMA_TO_DEVICE | DMA_FROM_DEVICE;
            let bytes = bytes as u64;
            let (is_grant, is_tests, is_over) = (false, true, false);
            let taken = (0, 0);
            let window = Window { device, bytes, memory, direction, is_grant, is_tests, taken, is_over };
            world.iommu.open(address, window);
            Buffer { memory, bytes: bytes as usize, address }
        })
    }

    /// Submits requests together. Returns how many were accepted.
    pub fn submit(&self, requests: &[Request]) -> usize {
        let pointers: Vec<_> = requests.iter().map(|request| request.0.request.get()).collect();
        // SAFETY: the requests exist until the end of the run, and the test leaves them alone until they have ended.
        let accepted = unsafe { abi::Kernel_SubmitBlock(self.0, pointers.as_ptr(), pointers.len() as c_int) };
        usize::try_from(accepted).unwrap_or(0)
    }

    /// Submits a request and waits for it. Returns its status, or `None` if it was not accepted.
    pub fn run(&self, request: Request) -> Option<i32> {
        (self.submit(&[request]) == 1).then(|| self.wait(request))
    }

    /// Waits until a request has ended, and returns its status. For one that is polled, it polls.
    ///
    /// # Panics
    /// If it does not end in two minutes of the machine's clock.
    pub fn wait(&self, request: Request) -> i32 {
        let end = with(|world| world.clock.now()) + LIMIT_NS;
        loop {
            if let Some(status) = request.status() {
                return status;
            }
            let now = with(|world| world.clock.now());
            assert!(now < end, "a request has not ended: {:?}", request.description());
            if request.description().Flags & BLOCK_POLLED != 0 {
                self.poll();
                schedule::point(schedule::Pace::Yields);
            } else {
                schedule::block(State::Waiting(request.0.word(), end));
            }
        }
    }

    /// Polls the queue of the calling CPU. Returns how many requests have completed.
    pub fn poll(&self) -> i32 {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_PollBlock(self.0, -1) }
    }
}

/// Memory of the test that a disk's device may access.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    memory: usize,
    bytes: usize,
    address: u64,
}

impl Buffer {
    pub(crate) fn memory(&self) -> *mut u8 {
        pointer(self.memory)
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.bytes];
        // SAFETY: the buffer has so many bytes until the end of the run, and no reference to them exists.
        unsafe { bytes.as_mut_ptr().copy_from(pointer(self.memory), self.bytes) };
        bytes
    }

    /// Writes bytes from the beginning.
    ///
    /// # Panics
    /// If the buffer has not so many.
    pub fn write(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.bytes, "the buffer has {} bytes", self.bytes);
        // SAFETY: the buffer has so many bytes until the end of the run, and no reference to them exists.
        unsafe { pointer(self.memory).copy_from(bytes.as_ptr(), bytes.len()) };
    }

    /// Fills the buffer with bytes by their index.
    pub fn fill(&self, byte: impl Fn(usize) -> u8) {
        self.write(&(0..self.bytes).map(byte).collect::<Vec<_>>());
    }

    /// Returns a part of the buffer for a request.
    ///
    /// # Panics
    /// If the buffer has no such part.
    #[must_use]
    pub fn part(&self, offset: usize, bytes: usize) -> DmaSegment {
        assert!(offset + bytes <= self.bytes, "the buffer has no such part");
        DmaSegment { Address: self.address + offset as u64, Bytes: bytes as u64 }
    }

    /// Returns the whole buffer for a request.
    #[must_use]
    pub fn whole(&self) -> DmaSegment {
        self.part(0, self.bytes)
    }
}

#[repr(C, align(64))]
struct Slot {
    request: UnsafeCell<BlockRequest>,
    ended: Cell<u32>,
}

impl Slot {
    fn word(&self) -> usize {
        self.ended.as_ptr().addr()
    }
}

/// A request of the test. It stays until the end of the run.
#[derive(Clone, Copy)]
pub struct Request(&'static Slot);

impl Request {
    fn new(operation: u16, block: u64, count: u32, segments: &[DmaSegment]) -> Self {
        let segments: &'static [DmaSegment] = segments.to_vec().leak();
        let request = BlockRequest {
            Size: size_of::<BlockRequest>() as u32,
            Operation: operation,
            Flags: 0,
            Count: count,
            SegmentCount: segments.len() as u32,
            Block: block,
            Segments: segments.as_ptr(),
            Done: Some(done),
            Context: std::ptr::null_mut(),
            Queue: -1,
            Status: 0,
            State: 0,
            Reserved: 0,
            ForDriver: [0; 4],
        };
        Self(Box::leak(Box::new(Slot { request: UnsafeCell::new(request), ended: Cell::new(0) })))
    }

    /// Returns a request that reads blocks into these segments.
    #[must_use]
    pub fn read(block: u64, count: u32, segments: &[DmaSegment]) -> Self {
        Self::new(BLOCK_READ, block, count, segments)
    }

    /// Returns a request that writes blocks from these segments.
    #[must_use]
    pub fn write(block: u64, count: u32, segments: &[DmaSegment]) -> Self {
        Self::new(BLOCK_WRITE, block, count, segments)
    }

    /// Returns a request to keep what was written.
    #[must_use]
    pub fn flush() -> Self {
        Self::new(BLOCK_FLUSH, 0, 0, &[])
    }

    /// Marks the request as one that is polled for: the device raises no interrupt.
    #[must_use]
    pub fn polled(self) -> Self {
        // SAFETY: the request is not submitted yet, so the test alone uses it.
        unsafe { (*self.0.request.get()).Flags |= BLOCK_POLLED };
        self
    }

    /// Sends the request to a queue, whatever the CPU.
    #[must_use]
    pub fn on_queue(self, queue: i32) -> Self {
        // SAFETY: the request is not submitted yet, so the test alone uses it.
        unsafe { (*self.0.request.get()).Queue = queue };
        self
    }

    /// Returns the structure as it is now.
    #[must_use]
    pub fn description(&self) -> BlockRequest {
        // SAFETY: the request exists until the end of the run, and one thread runs at a time.
        unsafe { self.0.request.get().read() }
    }

    /// Returns the tag that the kernel gave to the request at last.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.description().State & abi::BLOCK_STATE_TAG
    }

    /// Returns the status, or `None` if the request has not ended since it was submitted.
    #[must_use]
    pub fn status(&self) -> Option<i32> {
        (self.0.ended.get() > 0).then(|| self.description().Status)
    }

    /// Makes a request that has ended one that is not submitted, to submit it again.
    pub fn again(&self) {
        self.0.ended.set(0);
    }
}

unsafe extern "C" fn done(request: *mut BlockRequest) {
    // SAFETY: the request is the first field of a slot, which exists until the end of the run.
    let slot = unsafe { &*request.cast::<Slot>() };
    slot.ended.set(slot.ended.get() + 1);
    assert_eq!(slot.ended.get(), 1, "a request has ended twice");
    with(|world| world.contexts.wake(slot.word(), usize::MAX));
}
