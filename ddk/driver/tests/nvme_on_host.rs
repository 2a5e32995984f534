//! The queues of the NVMe driver on the host, with a controller that lies: it completes commands that are not outstanding, twice, or out of
//! range, and overwrites all memory that it reaches. A request ends at most once, and only if it is outstanding; and no index leaves
//! its array, which would panic.
#![allow(non_snake_case, dead_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

#[path = "../../examples/nvme/src/admin.rs"]
mod admin;
#[path = "../../examples/nvme/src/pages.rs"]
mod pages;
#[path = "../../examples/nvme/src/pair.rs"]
mod pair;
#[path = "../../examples/nvme/src/queue.rs"]
mod queue;
#[path = "../../examples/nvme/src/registers.rs"]
mod registers;
#[path = "../../examples/nvme/src/split.rs"]
mod split;

use driver_kit::abi::{self, BlockRequest, DmaGrant, DmaRequest, DmaSegment};
use driver_kit::block::Geometry;
use driver_kit::device::{Device, DeviceMatch};
use driver_kit::devices::Devices;
use driver_kit::driver::{DeviceDriver, Refusal};
use driver_kit::mmio::Caching;
use pair::Pair;
use queue::Queue;
use std::alloc::Layout;
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};

const ENTRIES: usize = 16;
const DEPTH: usize = ENTRIES - 1;
const STEPS: u32 = 40_000;

// ---- The kernel ----

static OUTSTANDING: [AtomicBool; DEPTH] = [const { AtomicBool::new(false) }; DEPTH];
static ENDED: AtomicU32 = AtomicU32::new(0);
static FAILED: AtomicU32 = AtomicU32::new(0);

/// The functions that the kernel was given.
struct Registered(abi::BlockDriver);
// SAFETY: the context is a reference to a `Sync` type.
unsafe impl Send for Registered {}
static REGISTERED: Mutex<Option<Registered>> = Mutex::new(None);

/// Memory that the controller reaches: the address and the bytes of each piece.
static REACHED: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

fn zeroed(bytes: usize) -> *mut u8 {
    // SAFETY: the size is not 0.
    unsafe { std::alloc::alloc_zeroed(Layout::from_size_align(bytes.max(1), 4096).unwrap()) }
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_AllocateMemoryFromNode(bytes: usize, _: usize, _: c_int) -> *mut c_void {
    zeroed(bytes).cast()
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_FreeMemory(_: *mut c_void) {}

#[unsafe(no_mangle)]
unsafe extern "C" fn Kernel_AllocateDma(request: *const DmaRequest, grant: *mut DmaGrant) -> bool {
    // SAFETY: the crate `driver_kit` passes local variables.
    let (request, grant) = unsafe { (&*request, &mut *grant) };
    let memory = zeroed(request.Bytes as usize);
    REACHED.lock().unwrap().push((memory.expose_provenance(), request.Bytes as usize));
    (grant.Memory, grant.DeviceAddress) = (memory.cast(), memory.addr() as u64);
    true
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_MapDeviceMemory(_: c_int, _: c_int, _: u64, bytes: u64, _: u32) -> *mut c_void {
    zeroed(bytes as usize).cast()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Kernel_RegisterBlock(driver: *const abi::BlockDriver) -> c_int {
    // SAFETY: the crate `driver_kit` passes a local variable.
    *REGISTERED.lock().unwrap() = Some(Registered(unsafe { driver.read() }));
    1
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Kernel_CompleteBlock(request: *mut BlockRequest, status: c_int) {
    // SAFETY: a pointer that is no request is what the test is to find: the program then ends.
    let tag = unsafe { (*request).State & abi::BLOCK_STATE_TAG } as usize;
    assert!(OUTSTANDING[tag].swap(false, Ordering::Relaxed), "request {tag} ended, but is not outstanding");
    assert!(status == abi::BLOCK_OK || status == abi::BLOCK_ERROR);
    ENDED.fetch_add(1, Ordering::Relaxed);
    FAILED.fetch_add(u32::from(status == abi::BLOCK_ERROR), Ordering::Relaxed);
}

macro_rules! ignored {
    ($($name:ident)+) => { $(#[unsafe(no_mangle)] extern "C" fn $name() -> c_int { 0 })+ };
}
ignored! { Kernel_UnregisterBlock Kernel_ReleaseDevice Kernel_UnmapDeviceMemory Kernel_GetDeviceInfo
Kernel_GetCurrentNumaNode Kernel_YieldThread Kernel_WakeAddress Kernel_GetBlockInfo Kernel_DestroyTimer Kernel_JoinThread
Kernel_SleepThread Kernel_GetInterruptInfo Kernel_DetachInterrupt Kernel_WaitAddress }

#[unsafe(no_mangle)]
extern "C" fn Kernel_Log(_: c_int, _: *const c_char, _: usize) {}

#[unsafe(no_mangle)]
extern "C" fn Kernel_GetTime() -> u64 {
    0
}

// ---- The driver ----

fn registered() -> MutexGuard<'static, Option<Registered>> {
    REGISTERED.lock().unwrap()
}

// ---- The requests ----

struct Random(u64);

impl Random {
    fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 24 ^ self.0 << 40
    }

    fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }
}

/// Up to 64 segments of a multiple of 512 bytes, some of them at odd addresses.
fn segments(random: &mut Random) -> Vec<DmaSegment> {
    let count = [1, 1, 2, 5, 64][random.below(5) as usize];
    let segment = |_| {
        let address = random.below(1 << 30) * [4, 4, 512, 4096, 1][random.below(5) as usize];
        DmaSegment { Address: address, Bytes: 512 * (1 + random.below(8)) }
    };
    (0..count).map(segment).collect()
}

fn submit(driver: &abi::BlockDriver, requests: &mut [(BlockRequest, Vec<DmaSegment>)], random: &mut Random) {
    let mut batch: Vec<*mut BlockRequest> = Vec::new();
    for (tag, (request, memory)) in requests.iter_mut().enumerate() {
        if OUTSTANDING[tag].load(Ordering::Relaxed) || random.below(3) != 0 {
            continue;
        }
        *memory = segments(random);
        request.Operation = random.below(3) as u16;
        request.Flags = random.below(2) as u16 * abi::BLOCK_POLLED;
        request.SegmentCount = if request.Operation == abi::BLOCK_FLUSH { 0 } else { memory.len() as u32 };
        request.Count = (memory.iter().map(|segment| segment.Bytes).sum::<u64>() / 512) as u32;
        request.Segments = memory.as_ptr();
        request.State = tag as u32;
        OUTSTANDING[tag].store(true, Ordering::Relaxed);
        batch.push(request);
    }
    if batch.is_empty() {
        return;
    }
    let submit = driver.Submit.unwrap();
    // SAFETY: these are requests, as the kernel passes them.
    let taken = unsafe { submit(driver.Context, 0, batch.as_ptr(), batch.len() as c_int) };
    assert!((0..=batch.len() as c_int).contains(&taken));
    for refused in &batch[taken as usize..] {
        // SAFETY: as above.
        let tag = unsafe { (**refused).State } as usize;
        assert!(OUTSTANDING[tag].swap(false, Ordering::Relaxed), "a request that was not taken has ended");
    }
}

// ---- The controller ----

struct Controller {
    completions: *mut u32,
    head: usize,
    phase: u32,
}

impl Controller {
    fn complete(&mut self, id: u32, status: u32) {
        let word = id & 0xffff | self.phase << 16 | status << 17;
        // SAFETY: the head is below the entries, which have 16 bytes each.
        unsafe { self.completions.add(self.head * 4 + 3).write_volatile(word) };
        self.head = (self.head + 1) % ENTRIES;
        if self.head == 0 {
            self.phase ^= 1;
        }
    }

    fn act(&mut self, random: &mut Random) {
        let tag = random.below(DEPTH as u64) as u32;
        let split = 256 + random.below(10) as u32;
        match random.below(64) {
            0..24 => self.complete(tag, 0),
            24..40 => self.complete(split, 0),
            40..44 => [tag, tag].into_iter().for_each(|id| self.complete(id, 0)),
            44..48 => self.complete([tag, split][random.below(2) as usize], random.any() as u32 & 0x7fff),
            48..56 => self.complete(random.any() as u32, random.below(2) as u32),
            56..62 => self.complete(DEPTH as u32 + random.below(2) as u32, 0),
            62 => (self.head, self.phase) = (random.below(ENTRIES as u64) as usize, random.below(2) as u32),
            _ => overwrite_all(random),
        }
    }
}

fn overwrite_all(random: &mut Random) {
    for &(address, bytes) in REACHED.lock().unwrap().iter() {
        let memory = std::ptr::with_exposed_provenance_mut::<u64>(address);
        for index in 0..bytes / 8 {
            // SAFETY: the word lies in memory of `Kernel_AllocateDma`.
            unsafe { memory.add(index).write_volatile(random.any()) };
        }
    }
}

// ---- The test ----

fn pair(device: Device<'_>, id: u16) -> Pair<'_> {
    let registers = device.map(0, 0, 0x2000, Caching::Uncached).unwrap();
    Pair::new(device, registers, (id, None), (ENTRIES, 4)).unwrap()
}

/// A driver whose device is the controller of the test.
struct Driver;

impl DeviceDriver for Driver {
    const DEVICES: &'static [DeviceMatch] = &[];
    type State<'d> = ();

    fn add(device: Device<'_>) -> Result<(), Refusal> {
        run(device);
        Ok(())
    }
}

#[test]
fn whatever_the_controller_completes_a_request_ends_at_most_once() {
    static DEVICES: Devices<Driver> = Devices::new();
    // SAFETY: this is the kernel.
    unsafe {
        assert_eq!(DEVICES.add(1), 0);
        DEVICES.remove(1);
    }
}

fn run(device: Device<'_>) {
    let queue = device.keep(Queue::new(pair(device, 1), Some(pair(device, 2)))).unwrap();
    let queues = device.keep_each(1, |_| Some(queue)).unwrap();
    let geometry = Geometry {
        block_size: 512,
        blocks: 1 << 40,
        max_bytes: 1 << 18,
        max_segments: 64,
        depth: DEPTH as u32,
    };
    let _block = device.register_block("nvme", &geometry, queues).unwrap();
    let driver = registered().take().unwrap().0;
    let controller = |pair: &Pair<'_>| Controller {
        completions: std::ptr::with_exposed_provenance_mut(pair.description().completion as usize),
        head: 0,
        phase: 1,
    };
    let new_controllers = || queue.pairs().map(controller).collect::<Vec<_>>();
    let mut controllers = new_controllers();
    // SAFETY: zeros are a request: null pointers and no function.
    let mut requests: Vec<_> =
        (0..DEPTH).map(|_| (unsafe { std::mem::zeroed::<BlockRequest>() }, Vec::new())).collect();
    let mut random = Random(1);
    for step in 0..STEPS {
        submit(&driver, &mut requests, &mut random);
        controllers[random.below(2) as usize].act(&mut random);
        // SAFETY: as the kernel calls it.
        unsafe { driver.Poll.unwrap()(driver.Context, 0) };
        if step % 100 == 99 {
            queue.pairs().for_each(Pair::suspend);
            queue.pairs().for_each(Pair::end_all);
            queue.pairs().for_each(Pair::resume);
            assert!(
                OUTSTANDING.iter().all(|outstanding| !outstanding.load(Ordering::Relaxed)),
                "a request is left"
            );
            controllers = new_controllers();
            submit(&driver, &mut requests, &mut random);
            let before = ENDED.load(Ordering::Relaxed);
            // The lower byte is that of a tag.
            let id = (2 + random.below(254)) << 8 | random.below(DEPTH as u64);
            controllers[0].complete(id as u32, 0);
            // SAFETY: as the kernel calls it.
            unsafe { driver.Poll.unwrap()(driver.Context, 0) };
            assert_eq!(
                before,
                ENDED.load(Ordering::Relaxed),
                "the completion of no command has ended a request"
            );
        }
    }
    let (ended, failed) = (ENDED.load(Ordering::Relaxed), FAILED.load(Ordering::Relaxed));
    assert!(
        ended > STEPS / 4 && failed > ended / 20 && failed < ended,
        "{ended} ended, {failed} with an error"
    );
}
