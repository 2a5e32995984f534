//! Benchmarks of block devices: a request through a driver that does nothing, so the figures are what the class itself costs.
use super::report;
use crate::arch;
use crate::block::{self, Functions, NewBlockDevice};
use crate::cpu::MayWait;
use crate::platform::numa_topology;
use abi::{BLOCK_OK, BlockRequest, DmaSegment};
use arrayvec::ArrayString;
use core::ffi::{c_int, c_void};
use core::hint::black_box;
use core::ptr::{null_mut, without_provenance_mut};
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering::Relaxed};

/// Rounds of each benchmark, after as many to warm up.
const ROUNDS: u64 = 1000;
/// The most requests at a time.
const DEPTH: usize = 32;
/// Bytes of a request, and of a block.
const BYTES: u64 = 4096;

/// What the driver has accepted and not completed: the submitter's array, and the number of its requests.
static ACCEPTED: AtomicPtr<*mut BlockRequest> = AtomicPtr::new(null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// What requests are completed with.
static STATUS: AtomicI32 = AtomicI32::new(BLOCK_OK);

// As exports, so that they are called as drivers call them.
unsafe extern "C" fn submit(id: c_int, requests: *const *mut BlockRequest, count: c_int) -> c_int {
    // SAFETY: `run` passes requests of its own.
    unsafe { block::submit(id, requests, count) }
}

#[inline(never)]
unsafe extern "C" fn complete(request: *mut BlockRequest, status: c_int) {
    // SAFETY: `done` may be called.
    unsafe { block::complete(request, status) }
}

extern "C" fn poll(id: c_int, queue: c_int) -> c_int {
    block::poll(id, queue)
}

unsafe extern "C" fn accept(
    _: *mut c_void,
    _: c_int,
    requests: *const *mut BlockRequest,
    count: c_int,
) -> c_int {
    ACCEPTED.store(requests.cast_mut(), Relaxed);
    COUNT.store(count as usize, Relaxed);
    count
}

unsafe extern "C" fn complete_all(_: *mut c_void, _: c_int) -> c_int {
    let (requests, count) = (ACCEPTED.load(Relaxed), COUNT.load(Relaxed));
    // The export takes any status.
    let status = STATUS.load(Relaxed);
    for index in 0..count {
        // SAFETY: the array is the submitter's, which leaves it alone in this benchmark. This is each request's one completion.
        unsafe { complete(*requests.add(index), status) };
    }
    count as c_int
}

unsafe extern "C" fn done(_: *mut BlockRequest) {}

/// Measures a request's way through the class, alone and among others.
pub fn run() {
    let functions = Functions { context: null_mut(), submit: accept, poll: complete_all };
    let Ok(name) = ArrayString::from("bench null") else { return };
    let queues = numa_topology::get().cpus().len() as u32;
    STATUS.store(black_box(BLOCK_OK), Relaxed);
    let new = NewBlockDevice {
        name,
        device: 0,
        node: None,
        block_size: BYTES as u32,
        blocks: 1 << 20,
        max_bytes: 32 * BYTES,
        max_segments: 32,
        queues,
        depth: DEPTH as u32,
        functions,
    };
    let Some(id) = block::register(&new, None) else { return };
    let segment = DmaSegment { Address: 0, Bytes: BYTES };
    let mut requests = [request(&segment); DEPTH];
    let pointers: [*mut BlockRequest; DEPTH] = core::array::from_fn(|index| &raw mut requests[index]);
    measure("block.null.pair.qd1", id, &pointers[..1]);
    measure("block.null.pair.qd32", id, &pointers);
    if let Some(may_wait) = MayWait::now() {
        block::unregister(id, None, &may_wait);
    }
}

fn request(segment: &DmaSegment) -> BlockRequest {
    BlockRequest {
        Size: size_of::<BlockRequest>() as u32,
        Operation: abi::BLOCK_READ,
        Flags: abi::BLOCK_POLLED,
        Count: 1,
        SegmentCount: 1,
        Block: 7,
        Segments: segment,
        Done: Some(done),
        Context: without_provenance_mut(0),
        Queue: -1,
        Status: 0,
        State: 0,
        Reserved: 0,
        ForDriver: [0; 4],
    }
}

fn measure(name: &str, id: c_int, requests: &[*mut BlockRequest]) {
    let submit: unsafe extern "C" fn(c_int, *const *mut BlockRequest, c_int) -> c_int = black_box(submit);
    let poll: extern "C" fn(c_int, c_int) -> c_int = black_box(poll);
    let round = || {
        // SAFETY: `run` owns the requests, which are not outstanding: the poll has completed those of the round before.
        let accepted = unsafe { submit(id, requests.as_ptr(), requests.len() as c_int) };
        accepted - poll(id, -1)
    };
    let mut lost = (0..ROUNDS).map(|_| round()).sum::<c_int>();
    let start = arch::ticks();
    lost += (0..ROUNDS).map(|_| round()).sum::<c_int>();
    let ticks = arch::ticks() - start;
    if lost == 0 && requests.iter().all(|&request| is_completed(request)) {
        report(name, ticks, ROUNDS * requests.len() as u64);
    }
}

fn is_completed(request: *mut BlockRequest) -> bool {
    // SAFETY: `run` owns the request, and no other CPU knows of it.
    unsafe { (*request).Status == BLOCK_OK && (*request).State != 0 }
}
