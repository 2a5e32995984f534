//! Block devices: drivers register them, and any driver reads and writes them.
use crate::DmaSegment;
use core::ffi::{c_char, c_int, c_void};
use core::mem::{offset_of, size_of};

/// The longest name of a block device, in bytes, with its zero byte.
pub const KERNEL_BLOCK_NAME_SIZE: usize = 32;
/// The most queues of a block device.
pub const KERNEL_BLOCK_MAX_QUEUES: u32 = 1024;
/// The most requests that a queue holds.
pub const KERNEL_BLOCK_MAX_DEPTH: u32 = 65536;

/// The most segments of a request.
pub const KERNEL_BLOCK_MAX_SEGMENTS: u32 = 1024;

/// `BlockRequest.Operation`: reads blocks.
pub const BLOCK_READ: u16 = 0;
/// `BlockRequest.Operation`: writes blocks.
pub const BLOCK_WRITE: u16 = 1;
/// `BlockRequest.Operation`: when it completes, the medium keeps all blocks whose writes completed before it was submitted.
/// It has no blocks and no segments.
pub const BLOCK_FLUSH: u16 = 2;

/// `BlockRequest.Flags`: the submitter polls, so the device raises no interrupt for this request.
pub const BLOCK_POLLED: u16 = 1;

/// `BlockRequest.Status`: the request has succeeded.
pub const BLOCK_OK: i32 = 0;
/// `BlockRequest.Status`: the device reported an error.
pub const BLOCK_ERROR: i32 = -1;
/// `BlockRequest.Status`: the device or its driver is gone.
pub const BLOCK_GONE: i32 = -2;

/// `BlockRequest.State`: these bits are the request's tag while it is outstanding. The tag is below `BlockDriver.Depth`,
/// and no two outstanding requests of a queue have the same tag. A driver may use it as the number of its command.
pub const BLOCK_STATE_TAG: u32 = 0xf_ffff;

/// A driver's function that accepts requests for one queue. Returns how many of them it accepted, in their order; fewer
/// than `count` means that the queue is full. One doorbell is for all. The kernel has checked the requests. The function does not
/// block. Whoever submits, the caller of an export in it is the driver of the block device.
pub type BlockSubmit = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        queue: c_int,
        requests: *const *mut BlockRequest,
        count: c_int,
    ) -> c_int,
>;

/// A driver's function that completes what the device has done on one queue. Returns the number of completions. It does not block.
/// The caller in it is the same as in `BlockSubmit`.
pub type BlockPoll = Option<unsafe extern "C" fn(context: *mut c_void, queue: c_int) -> c_int>;

/// A request to a block device. It stays its submitter's, and unchanged, until `Done` is called; so do its segments. The
/// submitter sets `Size`. A request that is aligned to 64 bytes costs the kernel one cache line.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BlockRequest {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// `BLOCK_READ`, `BLOCK_WRITE` or `BLOCK_FLUSH`.
    pub Operation: u16,
    /// `BLOCK_POLLED`, or 0.
    pub Flags: u16,
    /// The number of blocks: at least 1, and 0 for a flush.
    pub Count: u32,
    /// The number of segments: at least 1, and 0 for a flush.
    pub SegmentCount: u32,
    /// The first block; 0 for a flush.
    pub Block: u64,
    /// The memory, as addresses of the device. Its bytes are those of the blocks.
    pub Segments: *const DmaSegment,
    /// Called when the request has completed, possibly in an interrupt handler. From then on the request is the submitter's again,
    /// who may submit it from here. It does not block. A submitter that only counts its requests names `Kernel_CountDown`, which
    /// the kernel does itself.
    pub Done: Option<unsafe extern "C" fn(request: *mut BlockRequest)>,
    /// For the submitter; the address of the word that `Kernel_CountDown` counts down.
    pub Context: *mut c_void,
    /// The queue; -1 means that of the calling CPU.
    pub Queue: i32,
    /// The result: `BLOCK_OK`, `BLOCK_ERROR` or `BLOCK_GONE`. The kernel sets it.
    pub Status: i32,
    /// For the kernel. Zero before the request is submitted for the first time; the submitter leaves it alone afterwards. The bits
    /// of `BLOCK_STATE_TAG` are for the driver of the block device to read.
    pub State: u32,
    /// Zero.
    pub Reserved: u32,
    /// For the driver of the block device.
    pub ForDriver: [u64; 4],
}

/// A block device that a driver registers. The driver sets `Size`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BlockDriver {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// Must be zero.
    pub Flags: u32,
    /// The device that serves the requests, which the driver owns; 0 if there is none, as for a disk in memory.
    pub Device: i32,
    /// Bytes of a block: a power of two, from 512 to 2^30.
    pub BlockSize: u32,
    /// The number of blocks: at least 1. All together have less than 2^63 bytes.
    pub Blocks: u64,
    /// The most bytes of a request: at least one block.
    pub MaxBytes: u64,
    /// The most segments of a request: from 1 to `KERNEL_BLOCK_MAX_SEGMENTS`.
    pub MaxSegments: u32,
    /// The number of queues: from 1 to `KERNEL_BLOCK_MAX_QUEUES`. Queue i is for the CPUs whose index modulo `Queues` is i.
    pub Queues: u32,
    /// The most requests that a queue holds: from 1 to `KERNEL_BLOCK_MAX_DEPTH`.
    pub Depth: u32,
    /// Must be zero.
    pub Reserved: u32,
    /// The name, with a zero byte at its end.
    pub Name: [c_char; KERNEL_BLOCK_NAME_SIZE],
    /// The argument of the driver's functions.
    pub Context: *mut c_void,
    /// Accepts requests. May run on several CPUs at once, also for one queue, and in handlers.
    pub Submit: BlockSubmit,
    /// Completes what the device has done. May run on several CPUs at once, also for one queue, and in handlers.
    pub Poll: BlockPoll,
}

/// What is known of a block device. The driver sets `Size`, the kernel sets the rest.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// Bytes of a block.
    pub BlockSize: u32,
    /// The number of blocks.
    pub Blocks: u64,
    /// The node of its device; -1 if it is unknown.
    pub Node: i32,
    /// The number of queues.
    pub Queues: u32,
    /// The most bytes of a request.
    pub MaxBytes: u64,
    /// The most segments of a request.
    pub MaxSegments: u32,
    /// The most requests that a queue holds.
    pub Depth: u32,
    /// Its device, for `Kernel_MapDma`; 0 if there is none.
    pub Device: i32,
    /// Zero.
    pub Reserved: u32,
    /// The name, with a zero byte at its end.
    pub Name: [c_char; KERNEL_BLOCK_NAME_SIZE],
    /// The name of its driver, with a zero byte at its end; a longer name is cut.
    pub Driver: [c_char; 32],
}

unsafe extern "C" {
    /// Registers a block device.
    ///
    /// Returns its id, which is above 0. Returns -1, and changes nothing, if `driver` is null, misaligned or not mapped; if
    /// its `Size` is too small, or its tail not zero; if one of its fields is not as it says; if the name is empty or taken; if
    /// there are too many block devices or not enough memory; or in a handler.
    pub fn Kernel_RegisterBlock(driver: *const BlockDriver) -> c_int;

    /// Takes a block device back. Outstanding requests end with `BLOCK_GONE`. On return no CPU runs one of its functions.
    ///
    /// Returns true. Returns false, and changes nothing, if the driver has no such block device, or in a handler.
    pub fn Kernel_UnregisterBlock(block: c_int) -> bool;

    /// Ends a request with `BLOCK_OK`, `BLOCK_ERROR` or `BLOCK_GONE`, and calls its `Done`. Only the driver that accepted the
    /// request does so. Another status counts as `BLOCK_ERROR`.
    ///
    /// The kernel refuses a request that is not outstanding, and another driver's. It logs a driver's first such mistake.
    pub fn Kernel_CompleteBlock(request: *mut BlockRequest, status: c_int);

    /// Finds a block device by its name; or, if `name` is null, the next one after the id `after`, where 0 means from the
    /// first.
    ///
    /// Returns its id, which is above 0; -1 if there is none, if `name` is not mapped, or in a handler.
    pub fn Kernel_OpenBlock(name: *const c_char, after: c_int) -> c_int;

    /// Describes a block device.
    ///
    /// Returns true, and fills `info`. Returns false, and writes nothing, if there is no such block device, if `info` is
    /// null, misaligned or not mapped, if `Size` is too small, or if the tail is not zero.
    pub fn Kernel_GetBlockInfo(block: c_int, info: *mut BlockInfo) -> bool;

    /// Submits requests in their order, all to the queue that the first one names.
    ///
    /// Returns how many were accepted. Fewer than `count` means that the queue is full, or that the next request is not
    /// valid: it is null, misaligned or not mapped; it is outstanding; its operation or a flag is unknown; its blocks do not exist
    /// or are too many; its segments are too many, or not as long as its blocks; or `Done` is not code. Returns -1 if there is no
    /// such block device or queue, if `requests` is null or not mapped, or if `count` is negative.
    pub fn Kernel_SubmitBlock(block: c_int, requests: *const *mut BlockRequest, count: c_int) -> c_int;

    /// A `Done` for submitters that count their requests: subtracts 1 from the `uint32_t` to which the request's `Context` leads, and
    /// wakes all threads that wait at it if it is 0 then. This is the last access to the request and to the word, so the word's memory may
    /// go when it is 0. As a `Done`, it is not called: the kernel does the same itself, in fewer instructions.
    ///
    /// Does nothing if the request or its `Context` is misaligned, or not mapped and writable. `Kernel_SubmitBlock` refuses a
    /// request with such a `Context` when it is submitted to a queue for the first time.
    pub fn Kernel_CountDown(request: *mut BlockRequest);

    /// Completes what a queue's device has done; -1 means the queue of the calling CPU.
    ///
    /// Returns the number of requests that completed, as the driver says; 0 also if there is no such block device or queue.
    pub fn Kernel_PollBlock(block: c_int, queue: c_int) -> c_int;
}

const _: () = {
    assert!(size_of::<BlockRequest>() == 96);
    assert!(offset_of!(BlockRequest, Count) == 8);
    assert!(offset_of!(BlockRequest, Block) == 16);
    assert!(offset_of!(BlockRequest, Segments) == 24);
    assert!(offset_of!(BlockRequest, Done) == 32);
    assert!(offset_of!(BlockRequest, Queue) == 48);
    assert!(offset_of!(BlockRequest, Status) == 52);
    assert!(offset_of!(BlockRequest, State) == 56);
    assert!(offset_of!(BlockRequest, ForDriver) == 64);

    assert!(size_of::<BlockDriver>() == 104);
    assert!(offset_of!(BlockDriver, Blocks) == 16);
    assert!(offset_of!(BlockDriver, MaxSegments) == 32);
    assert!(offset_of!(BlockDriver, Name) == 48);
    assert!(offset_of!(BlockDriver, Context) == 80);

    assert!(size_of::<BlockInfo>() == 112);
    assert!(offset_of!(BlockInfo, Name) == 48);
};
