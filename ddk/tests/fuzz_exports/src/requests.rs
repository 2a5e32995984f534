//! Block devices, one of each thread, and requests to all of them: each request that is accepted ends exactly once.
use crate::addresses::unmapped;
use crate::worker::{Worker, check, failed};
use arrayvec::ArrayVec;
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use driver_kit::abi::{
    self, BLOCK_ERROR, BLOCK_GONE, BLOCK_OK, BlockDriver, BlockInfo, BlockRequest, DmaSegment,
};
use driver_kit::sync::SpinLock;

const DISKS: usize = 64;
const DEPTH: usize = 3;
const QUEUES: u32 = 2;
const OF_A_WORKER: usize = 3;
const BLOCK_BYTES: u32 = 512;
const BLOCKS: u64 = 100;
const MOST_BLOCKS: u32 = 8;

/// A block device, whose requests end when it is polled.
struct Disk {
    /// Its id; 0 while it is not registered.
    id: AtomicI32,
    pending: SpinLock<ArrayVec<Pending, DEPTH>>,
}

struct Pending(*mut BlockRequest);
// SAFETY: the kernel hands a request to the driver of the block device until it is completed.
unsafe impl Send for Pending {}

/// A request, and what is known of it.
struct Request {
    request: UnsafeCell<BlockRequest>,
    segment: UnsafeCell<DmaSegment>,
    is_out: AtomicBool,
    ends: AtomicU32,
}

// SAFETY: its worker alone writes it, while it is not out.
unsafe impl Sync for Request {}

static ALL: [Disk; DISKS] =
    [const { Disk { id: AtomicI32::new(0), pending: SpinLock::new(ArrayVec::new_const()) } }; DISKS];
static REQUESTS: [[Request; OF_A_WORKER]; DISKS] = [const { [const { Request::new() }; OF_A_WORKER] }; DISKS];

impl Request {
    const fn new() -> Self {
        Self {
            // SAFETY: zeros are a request that was never submitted.
            request: UnsafeCell::new(unsafe { core::mem::zeroed() }),
            segment: UnsafeCell::new(DmaSegment { Address: 0, Bytes: 0 }),
            is_out: AtomicBool::new(false),
            ends: AtomicU32::new(0),
        }
    }
}

unsafe extern "C" fn done(request: *mut BlockRequest) {
    // SAFETY: the kernel passes a request that was submitted, with the context that `fill` has set.
    let (own, status) = unsafe { (&*(*request).Context.cast::<Request>(), (*request).Status) };
    own.ends.fetch_add(1, Ordering::Relaxed);
    if !matches!(status, BLOCK_OK | BLOCK_ERROR | BLOCK_GONE) || !own.is_out.swap(false, Ordering::Release) {
        failed(format_args!("a request has ended that is not out, or with status {status}"));
    }
}

unsafe extern "C" fn submit(
    context: *mut c_void,
    _: c_int,
    requests: *const *mut BlockRequest,
    count: c_int,
) -> c_int {
    // SAFETY: `register` passes the static disk.
    let disk = unsafe { &*context.cast::<Disk>() };
    let mut accepted = 0;
    while accepted < count {
        // SAFETY: the kernel passes so many requests.
        let request = Pending(unsafe { *requests.add(accepted as usize) });
        if disk.pending.lock().try_push(request).is_err() {
            break;
        }
        accepted += 1;
    }
    accepted
}

unsafe extern "C" fn poll(context: *mut c_void, _: c_int) -> c_int {
    // SAFETY: `register` passes the static disk.
    let disk = unsafe { &*context.cast::<Disk>() };
    let Some(Pending(request)) = disk.pending.lock().pop() else { return 0 };
    // SAFETY: the request is outstanding until this call.
    unsafe {
        let status = if (*request).Block.is_multiple_of(7) { BLOCK_ERROR } else { BLOCK_OK };
        abi::Kernel_CompleteBlock(request, status);
    }
    1
}

pub fn step(worker: &mut Worker) {
    match worker.random.below(20) {
        0 => register(worker),
        1 if worker.random.once_in(10) => unregister(worker),
        2 => refused(worker),
        3 => info(worker),
        4..12 => send(worker),
        _ => poll_any(worker),
    }
}

fn register(worker: &mut Worker) {
    let disk = &ALL[worker.number];
    let mut name = [0; abi::KERNEL_BLOCK_NAME_SIZE];
    let digits = [b'f', b'0' + (worker.number / 10) as u8, b'0' + (worker.number % 10) as u8];
    name.iter_mut().zip(digits).for_each(|(character, digit)| *character = digit as _);
    let good = BlockDriver {
        Size: size_of::<BlockDriver>() as u32,
        Flags: 0,
        Device: 0,
        BlockSize: BLOCK_BYTES,
        Blocks: BLOCKS,
        MaxBytes: u64::from(MOST_BLOCKS * BLOCK_BYTES),
        MaxSegments: 2,
        Queues: QUEUES,
        Depth: DEPTH as u32,
        Reserved: 0,
        Name: name,
        Context: ptr::from_ref(disk).cast_mut().cast(),
        Submit: Some(submit),
        Poll: Some(poll),
    };
    let bad = [
        BlockDriver { Flags: 1, ..good },
        BlockDriver { BlockSize: 500, ..good },
        BlockDriver { Blocks: 0, ..good },
        BlockDriver { MaxBytes: 1, ..good },
        BlockDriver { MaxSegments: 0, ..good },
        BlockDriver { Queues: 0, ..good },
        BlockDriver { Depth: 65537, ..good },
        BlockDriver { Submit: None, ..good },
        BlockDriver { Name: [b'x' as _; abi::KERNEL_BLOCK_NAME_SIZE], ..good },
        BlockDriver { Device: worker.hostages.device(), ..good },
    ];
    let bad = worker.random.pick(&bad);
    worker.count(3);
    // SAFETY: the structures are local variables, and the functions take the static disk.
    unsafe {
        check!(worker, abi::Kernel_RegisterBlock(&bad) == -1);
        check!(worker, abi::Kernel_RegisterBlock(unmapped(&mut worker.random)) == -1);
        let id = abi::Kernel_RegisterBlock(&good);
        if disk.id.load(Ordering::Relaxed) != 0 {
            check!(worker, id == -1);
        } else if id > 0 {
            disk.id.store(id, Ordering::Release);
        }
    }
}

fn unregister(worker: &mut Worker) {
    let disk = &ALL[worker.number];
    let id = disk.id.swap(0, Ordering::Relaxed);
    if id == 0 {
        return;
    }
    worker.count(3);
    // SAFETY: the functions take any numbers.
    unsafe {
        check!(worker, abi::Kernel_UnregisterBlock(id));
        check!(worker, !abi::Kernel_UnregisterBlock(id));
        check!(worker, abi::Kernel_PollBlock(id, 0) == 0);
    }
    // What was outstanding has ended with BLOCK_GONE.
    disk.pending.lock().clear();
}

fn any_disk(worker: &mut Worker) -> c_int {
    ALL[worker.random.index(crate::cpus().min(DISKS))].id.load(Ordering::Acquire)
}

fn send(worker: &mut Worker) {
    let own = &REQUESTS[worker.number][worker.random.index(OF_A_WORKER)];
    let id = any_disk(worker);
    if own.is_out.swap(true, Ordering::Acquire) {
        return;
    }
    fill(worker, own);
    let ends = own.ends.load(Ordering::Relaxed);
    let request = own.request.get();
    worker.count(1);
    // SAFETY: the request is static, and nothing uses it while it is not out.
    let accepted = unsafe { abi::Kernel_SubmitBlock(id, &request, 1) };
    check!(worker, matches!(accepted, -1..=1));
    if accepted != 1 {
        check!(worker, own.ends.load(Ordering::Relaxed) == ends);
        own.is_out.store(false, Ordering::Release);
    }
}

/// Makes a request that is right, or, rarely, one with a wrong field, which is not accepted.
fn fill(worker: &mut Worker, own: &'static Request) {
    let random = &mut worker.random;
    let count = random.below(u64::from(MOST_BLOCKS)) as u32 + 1;
    // SAFETY: the worker has taken the request, which is not out. Its state is the kernel's.
    unsafe {
        *own.segment.get() = DmaSegment { Address: 0x10_0000, Bytes: u64::from(count * BLOCK_BYTES) };
        let request = &mut *own.request.get();
        request.Size = size_of::<BlockRequest>() as u32;
        request.Operation = random.pick(&[abi::BLOCK_READ, abi::BLOCK_WRITE]);
        request.Flags = random.pick(&[0, abi::BLOCK_POLLED]);
        request.Count = count;
        request.Block = random.below(BLOCKS - u64::from(count) + 1);
        request.Segments = own.segment.get();
        request.SegmentCount = 1;
        request.Done = Some(done);
        request.Context = ptr::from_ref(own).cast_mut().cast();
        request.Queue = random.pick(&[-1, 0, 1]);
    }
}

fn poll_any(worker: &mut Worker) {
    let (id, queue) = (any_disk(worker), worker.random.pick(&[-1, 0, 1]));
    worker.count(1);
    // SAFETY: the function takes any numbers.
    check!(worker, unsafe { abi::Kernel_PollBlock(id, queue) } >= 0);
}

/// Requests with a wrong field, and calls with wrong arguments.
fn refused(worker: &mut Worker) {
    let own = &REQUESTS[worker.number][0];
    let nobody = worker.random.pick(&[0, -1, c_int::MAX]);
    let id = ALL[worker.number].id.load(Ordering::Relaxed);
    if id == 0 || own.is_out.swap(true, Ordering::Acquire) {
        return;
    }
    fill(worker, own);
    let request = own.request.get();
    let ends = own.ends.load(Ordering::Relaxed);
    worker.count(10);
    // SAFETY: the worker has taken the request, which is not out. The functions follow no pointer that they refuse.
    unsafe {
        match worker.random.below(7) {
            6 => {
                // The kernel looks at the word when the request is new.
                (*request).State = 0;
                (*request).Done = Some(abi::Kernel_CountDown);
                (*request).Context = unmapped::<u64>(&mut worker.random).cast();
            }
            0 => (*request).Operation = 9,
            1 => (*request).Count = MOST_BLOCKS + 1,
            2 => (*request).Block = BLOCKS,
            3 => (*request).SegmentCount = worker.random.pick(&[0, 3, u32::MAX]),
            4 => (*own.segment.get()).Bytes += 1,
            _ => (*request).Segments = unmapped(&mut worker.random),
        }
        check!(worker, abi::Kernel_SubmitBlock(id, &request, 1) == 0);
        check!(worker, abi::Kernel_SubmitBlock(nobody, &request, 1) == -1);
        check!(worker, abi::Kernel_SubmitBlock(id, unmapped(&mut worker.random), 1) == -1);
        check!(worker, abi::Kernel_SubmitBlock(id, &request, -1) == -1);
        let bad: *mut BlockRequest = unmapped(&mut worker.random);
        check!(worker, abi::Kernel_SubmitBlock(id, &bad, 1) == 0);
        // A request that is not outstanding, and none.
        abi::Kernel_CompleteBlock(request, BLOCK_OK);
        abi::Kernel_CompleteBlock(bad, BLOCK_OK);
        abi::Kernel_CountDown(bad);
        check!(worker, !abi::Kernel_UnregisterBlock(worker.hostages.disk()));
        check!(worker, !abi::Kernel_UnregisterBlock(nobody));
    }
    check!(worker, own.ends.load(Ordering::Relaxed) == ends);
    own.is_out.store(false, Ordering::Release);
}

fn info(worker: &mut Worker) {
    let nobody = worker.random.pick(&[0, -1, c_int::MAX]);
    // SAFETY: zeros are a valid one.
    let mut info = BlockInfo { Size: size_of::<BlockInfo>() as u32, ..unsafe { core::mem::zeroed() } };
    worker.count(5);
    // SAFETY: the structure is a local variable, and the functions follow no pointer that they refuse.
    unsafe {
        check!(worker, abi::Kernel_GetBlockInfo(worker.hostages.disk(), &mut info));
        check!(worker, info.BlockSize == 512 && info.Blocks == 8);
        check!(worker, !abi::Kernel_GetBlockInfo(nobody, &mut info));
        check!(worker, abi::Kernel_OpenBlock(c"hostage".as_ptr(), 0) == worker.hostages.disk());
        check!(worker, abi::Kernel_OpenBlock(c"nobody".as_ptr(), 0) == -1);
        check!(
            worker,
            abi::Kernel_OpenBlock(unmapped::<core::ffi::c_char>(&mut worker.random).wrapping_add(1), 0) == -1
        );
    }
}

/// Unregisters the worker's block device, and waits for the end of its requests to others.
pub fn give_back(worker: &mut Worker) {
    unregister(worker);
    // SAFETY: the functions take any numbers.
    unsafe {
        let end = abi::Kernel_GetTime() + 5_000_000_000;
        while REQUESTS[worker.number].iter().any(|own| own.is_out.load(Ordering::Acquire)) {
            poll_any(worker);
            if abi::Kernel_GetTime() > end {
                worker.fail("each request ends", file!(), line!());
                return;
            }
        }
    }
}
