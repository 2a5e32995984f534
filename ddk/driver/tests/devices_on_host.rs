//! The end of a device, on the host, with a kernel that notes what it is asked for: whether a device is removed or not added after all, all that
//! was made from it ends once, in the order in which it can do no harm, and its memory is freed.
#![allow(non_snake_case, missing_docs)]

use driver_kit::abi::{self, BlockInfo, DeviceInfo, InterruptInfo, InterruptSetup};
use driver_kit::block::{BlockQueue, Geometry, Requests};
use driver_kit::counter::Counter;
use driver_kit::device::{Device, DeviceMatch};
use driver_kit::devices::Devices;
use driver_kit::driver::{DeviceDriver, Refusal};
use driver_kit::interrupt::{Handled, kinds};
use driver_kit::sync::Event;
use driver_kit::timer::Timer;
use std::alloc::Layout;
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::JoinHandle;

// ---- The kernel ----

/// What the kernel was asked for, and what the driver has done.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// The memory that is allocated.
static MEMORY: Mutex<Option<HashMap<usize, Layout>>> = Mutex::new(None);
static THREADS: Mutex<Option<HashMap<c_int, JoinHandle<c_int>>>> = Mutex::new(None);
/// The last number of a thread, a timer or a block device.
static LAST: AtomicI32 = AtomicI32::new(0);
static IS_REGISTERED: AtomicBool = AtomicBool::new(false);
static IS_ATTACHED: AtomicBool = AtomicBool::new(false);
/// The tests use one kernel.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn note(what: &str) {
    NOTES.lock().unwrap().push(what.into());
}

fn next() -> c_int {
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_AllocateMemoryFromNode(bytes: usize, align: usize, _: c_int) -> *mut c_void {
    let layout = Layout::from_size_align(bytes, align).unwrap();
    // SAFETY: the size is not 0: each block has an end.
    let memory = unsafe { std::alloc::alloc(layout) };
    MEMORY.lock().unwrap().get_or_insert_default().insert(memory.addr(), layout);
    memory.cast()
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_FreeMemory(memory: *mut c_void) {
    let layout = MEMORY.lock().unwrap().as_mut().unwrap().remove(&memory.addr());
    // SAFETY: `Kernel_AllocateMemoryFromNode` has allocated it, with this layout.
    unsafe { std::alloc::dealloc(memory.cast(), layout.expect("the memory is allocated")) };
}

/// An address that another thread may have.
struct Anywhere(*mut c_void);
// SAFETY: the crate `driver_kit` passes a reference to a `Sync` type.
unsafe impl Send for Anywhere {}

#[unsafe(no_mangle)]
extern "C" fn Kernel_CreateThread(
    _: *const c_char,
    entry: abi::ThreadEntry,
    argument: *mut c_void,
    _: c_int,
) -> c_int {
    let (id, argument) = (next(), Anywhere(argument));
    let run = move || {
        let Anywhere(argument) = { argument };
        // SAFETY: as the kernel calls it.
        unsafe { entry.unwrap()(argument) }
    };
    THREADS.lock().unwrap().get_or_insert_default().insert(id, std::thread::spawn(run));
    id
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_JoinThread(thread: c_int, _: *mut c_int) -> c_int {
    let Some(thread) = THREADS.lock().unwrap().as_mut().unwrap().remove(&thread) else { return -1 };
    thread.join().unwrap();
    note("thread joined");
    0
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_CreateTimer(_: abi::TimerCallback, _: *mut c_void, _: c_int) -> c_int {
    next()
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_DestroyTimer(_: c_int) -> bool {
    note("timer destroyed");
    true
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_RegisterBlock(_: *const abi::BlockDriver) -> c_int {
    assert!(!IS_REGISTERED.swap(true, Ordering::Relaxed), "one block device at a time");
    next()
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_GetBlockInfo(_: c_int, _: *mut BlockInfo) -> bool {
    IS_REGISTERED.load(Ordering::Relaxed)
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_UnregisterBlock(_: c_int) -> bool {
    note("block device unregistered");
    IS_REGISTERED.swap(false, Ordering::Relaxed)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Kernel_AllocateDma(request: *const abi::DmaRequest, grant: *mut abi::DmaGrant) -> bool {
    // SAFETY: the crate `driver_kit` passes local variables.
    let (request, grant) = unsafe { (&*request, &mut *grant) };
    // It is not freed before the process ends.
    grant.Memory = Vec::leak(vec![0_u64; request.Bytes as usize / 8]).as_mut_ptr().cast();
    grant.DeviceAddress = 0x1000;
    true
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_FreeDma(address: u64) -> bool {
    assert_eq!(address, 0x1000);
    note("buffer freed");
    true
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_AllocateInterrupts(_: c_int, _: c_int, most: c_int, _: u32) -> c_int {
    most
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_AttachInterrupt(_: c_int, index: c_int, _: *const InterruptSetup) -> bool {
    // The last of them, so that none is forgotten.
    assert_eq!(index, 3);
    !IS_ATTACHED.swap(true, Ordering::Relaxed)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Kernel_GetInterruptInfo(_: c_int, index: c_int, info: *mut InterruptInfo) -> bool {
    let vector = u32::from(index == 3 && IS_ATTACHED.load(Ordering::Relaxed));
    // SAFETY: the crate `driver_kit` passes a local variable.
    unsafe { (*info).Vector = vector };
    true
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_DetachInterrupt(_: c_int, _: c_int) -> bool {
    note("interrupt detached");
    IS_ATTACHED.swap(false, Ordering::Relaxed)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Kernel_GetDeviceInfo(_: c_int, info: *mut DeviceInfo) -> bool {
    // SAFETY: the crate `driver_kit` passes a local variable.
    unsafe { (*info).Node = -1 };
    true
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_PublishCounter(name: *const c_char, counter: *const u64) -> bool {
    // SAFETY: the crate `driver_kit` passes a name with a zero at its end.
    let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap();
    // Its memory is still allocated: that is what `assert_all_memory_is_freed` looks at afterwards.
    let is_anything_allocated = !MEMORY.lock().unwrap().as_ref().unwrap().is_empty();
    note(&if counter.is_null() {
        format!("{name} withdrawn, {is_anything_allocated}")
    } else {
        format!("{name} published")
    });
    true
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_WaitAddress(_: *const u32, _: u32, _: u64) -> c_int {
    std::thread::yield_now();
    abi::KERNEL_WAIT_WOKEN
}

#[unsafe(no_mangle)]
extern "C" fn Kernel_YieldThread() {
    std::thread::yield_now();
}

#[unsafe(no_mangle)]
extern "C" fn ProximaHost_InterruptsOff() -> u64 {
    0
}

#[unsafe(no_mangle)]
extern "C" fn ProximaHost_Spin() {
    std::thread::yield_now();
}

#[unsafe(no_mangle)]
extern "C" fn ProximaHost_RestoreInterrupts(_: u64) {}

macro_rules! ignored {
    ($($name:ident)+) => { $(#[unsafe(no_mangle)] extern "C" fn $name() -> c_int { 0 })+ };
}
ignored! { Kernel_GetCurrentNumaNode Kernel_WakeAddress Kernel_SleepThread Kernel_Log Kernel_GetTime }

// ---- The driver ----

struct Queue;

impl BlockQueue for Queue {
    fn submit(&self, _: Requests<'_>) -> u32 {
        0
    }

    fn poll(&self) -> u32 {
        0
    }
}

struct State<'d> {
    device: Device<'d>,
    end: &'d Event,
}

impl Drop for State<'_> {
    fn drop(&mut self) {
        // The memory that the state refers to is there still, and nothing new of the device begins.
        assert!(self.end.is_set());
        assert!(self.device.create_thread(c"late", self.end, |_| 0).is_none());
        assert!(self.device.create_timer(None, self.end, |_| ()).is_none());
        note("state dropped");
    }
}

/// Makes one of each kind.
fn start(device: Device<'_>) -> State<'_> {
    let end = device.keep(Event::new()).unwrap();
    let timer = device.create_timer(None, end, |_| ()).unwrap();
    // It ends with the device nevertheless.
    std::mem::forget(timer);
    let wait = |end: &Event| {
        end.wait();
        note("thread has ended");
        0
    };
    device.create_thread(c"wait", end, wait).unwrap();
    let queues = device.keep_each(1, |_| Some(&Queue)).unwrap();
    let geometry = Geometry { block_size: 512, blocks: 1, max_bytes: 512, max_segments: 1, depth: 1 };
    std::mem::forget(device.register_block("disk", &geometry, queues).unwrap());
    let interrupts = device.interrupts(1, 4, kinds::MSIX).unwrap();
    assert!(interrupts.attach(3, None, end, |_| Handled::Yes));
    State { device, end }
}

struct Starts;

impl DeviceDriver for Starts {
    const DEVICES: &'static [DeviceMatch] = &[DeviceMatch::ids(1, 2)];
    type State<'d> = State<'d>;

    fn add(device: Device<'_>) -> Result<State<'_>, Refusal> {
        Ok(start(device))
    }

    fn remove(state: &State<'_>) {
        note("remove");
        state.end.set();
    }
}

struct Refuses;

impl DeviceDriver for Refuses {
    const DEVICES: &'static [DeviceMatch] = &[];
    type State<'d> = State<'d>;

    fn add(device: Device<'_>) -> Result<State<'_>, Refusal> {
        let state = start(device);
        state.end.set();
        // It is none that was added.
        std::mem::forget(state);
        Err(Refusal(7))
    }
}

struct Slow;

impl DeviceDriver for Slow {
    const DEVICES: &'static [DeviceMatch] = &[];
    type State<'d> = ();

    fn add(_: Device<'_>) -> Result<(), Refusal> {
        note("adding");
        std::thread::sleep(std::time::Duration::from_millis(50));
        note("added");
        Ok(())
    }

    fn remove((): &()) {
        note("remove");
    }
}

/// Calls the driver as the kernel does.
fn add<D: DeviceDriver>(devices: &Devices<D>, device: c_int) -> c_int {
    // SAFETY: this is the kernel.
    unsafe { devices.add(device) }
}

fn remove<D: DeviceDriver>(devices: &Devices<D>, device: c_int) {
    // SAFETY: this is the kernel.
    unsafe { devices.remove(device) };
}

fn alone() -> MutexGuard<'static, ()> {
    let one = ONE_AT_A_TIME.lock().unwrap();
    NOTES.lock().unwrap().clear();
    one
}

fn notes() -> Vec<String> {
    NOTES.lock().unwrap().clone()
}

#[track_caller]
fn assert_all_memory_is_freed() {
    assert!(MEMORY.lock().unwrap().as_ref().unwrap().is_empty());
}

const END: [&str; 5] = [
    "thread has ended",
    "thread joined",
    "block device unregistered",
    "interrupt detached",
    "timer destroyed",
];

#[test]
fn a_device_that_is_removed_ends_in_order() {
    let _alone = alone();
    static DEVICES: Devices<Starts> = Devices::new();
    assert_eq!(add(&DEVICES, 1), 0);
    remove(&DEVICES, 2);
    assert_eq!(notes(), [""; 0], "another device");
    remove(&DEVICES, 1);
    let expected: Vec<_> = ["remove"].into_iter().chain(END).chain(["state dropped"]).collect();
    assert_eq!(notes(), expected);
    assert_all_memory_is_freed();
    remove(&DEVICES, 1);
    assert_eq!(notes(), expected, "it is removed once");
}

#[test]
fn a_device_that_is_not_added_ends_in_order() {
    let _alone = alone();
    static DEVICES: Devices<Refuses> = Devices::new();
    assert_eq!(add(&DEVICES, 1), -7, "a positive number would be a device that was added");
    assert_eq!(notes(), END);
    assert_all_memory_is_freed();
}

#[test]
fn a_removal_waits_until_the_device_is_added() {
    let _alone = alone();
    static DEVICES: Devices<Slow> = Devices::new();
    std::thread::scope(|scope| {
        scope.spawn(|| add(&DEVICES, 1));
        while notes().is_empty() {
            std::thread::yield_now();
        }
        remove(&DEVICES, 1);
    });
    assert_eq!(notes(), ["adding", "added", "remove"]);
    assert_all_memory_is_freed();
}

#[test]
fn the_devices_of_a_driver_do_not_end_with_each_other() {
    let _alone = alone();
    static DEVICES: Devices<Slow> = Devices::new();
    (1..=3).for_each(|device| assert_eq!(add(&DEVICES, device), 0));
    [2, 3, 1].into_iter().for_each(|device| remove(&DEVICES, device));
    assert_eq!(notes().iter().filter(|note| *note == "remove").count(), 3);
    assert_all_memory_is_freed();
}

struct Works;

impl DeviceDriver for Works {
    const DEVICES: &'static [DeviceMatch] = &[];
    type State<'d> = ();

    fn add(device: Device<'_>) -> Result<(), Refusal> {
        let work = |device: &Device<'_>| {
            while !device.is_ending() {
                std::thread::yield_now();
            }
            note("thread has ended");
            0
        };
        device.create_thread(c"work", device.keep(device).unwrap(), work).unwrap();
        assert!(!device.is_ending());
        Ok(())
    }

    fn remove((): &()) {
        note("remove");
    }
}

#[test]
fn a_thread_that_works_sees_that_its_device_ends() {
    let _alone = alone();
    static DEVICES: Devices<Works> = Devices::new();
    assert_eq!(add(&DEVICES, 1), 0);
    remove(&DEVICES, 1);
    assert_eq!(notes(), ["remove", "thread has ended", "thread joined"]);
    assert_all_memory_is_freed();
}

struct Counts;

impl DeviceDriver for Counts {
    const DEVICES: &'static [DeviceMatch] = &[];
    type State<'d> = &'d Counter;

    fn add(device: Device<'_>) -> Result<&Counter, Refusal> {
        let counter = device.keep(Counter::new()).ok_or(Refusal(-1))?;
        let longest = "a".repeat(47);
        assert!(device.publish_counter(format_args!("{longest}"), counter));
        assert!(!device.publish_counter(format_args!("{longest}b"), counter));
        for number in 0..2 {
            assert!(device.publish_counter(format_args!("{number}.done"), counter));
        }
        Ok(counter)
    }

    fn remove(counter: &&Counter) {
        counter.add(2);
        counter.add_alone(3);
        counter.raise_to(4);
        note(&format!("counted {}", counter.get()));
    }
}

#[test]
fn counters_of_a_device_are_withdrawn_before_its_memory_is_freed() {
    let _alone = alone();
    static DEVICES: Devices<Counts> = Devices::new();
    assert_eq!(add(&DEVICES, 1), 0);
    remove(&DEVICES, 1);
    let long = "a".repeat(47);
    let [first, last] = [format!("{long} published"), format!("{long} withdrawn, true")];
    let expected = [
        &first,
        "0.done published",
        "1.done published",
        "counted 5",
        "1.done withdrawn, true",
        "0.done withdrawn, true",
        &last,
    ];
    assert_eq!(notes(), expected);
    assert_all_memory_is_freed();
}

#[test]
fn a_block_device_that_the_kernel_has_ended_is_not_unregistered_again() {
    let _alone = alone();
    static DEVICES: Devices<Starts> = Devices::new();
    assert_eq!(add(&DEVICES, 1), 0);
    IS_REGISTERED.store(false, Ordering::Relaxed);
    remove(&DEVICES, 1);
    assert!(!notes().iter().any(|note| note == "block device unregistered"), "{:?}", notes());
}

struct Buffers;

impl DeviceDriver for Buffers {
    const DEVICES: &'static [DeviceMatch] = &[];
    type State<'d> = ();

    fn add(device: Device<'_>) -> Result<(), Refusal> {
        let buffer = || device.allocate::<[u64; 4]>().unwrap();
        drop(buffer());
        assert_eq!(notes(), ["buffer freed"]);

        let mut mine = buffer();
        mine[1] = 7;
        let its = mine.hand_over();
        assert_eq!(its.device_address(), 0x1000);
        let mine = its.take_back();
        assert_eq!(*mine, [0, 7, 0, 0]);
        assert_eq!(notes().len(), 1, "the memory is the same all the while");
        drop(mine);
        assert_eq!(notes().len(), 2);

        drop(buffer().hand_over());
        assert_eq!(notes().len(), 2, "the device may write it still");
        Ok(())
    }
}

#[test]
fn a_buffer_is_freed_once_and_not_while_the_device_has_it() {
    let _alone = alone();
    static DEVICES: Devices<Buffers> = Devices::new();
    assert_eq!(add(&DEVICES, 1), 0);
    remove(&DEVICES, 1);
    assert_all_memory_is_freed();
}

struct Timers;

impl DeviceDriver for Timers {
    const DEVICES: &'static [DeviceMatch] = &[];
    type State<'d> = Timer<'d>;

    fn add(device: Device<'_>) -> Result<Timer<'_>, Refusal> {
        let blocks = || MEMORY.lock().unwrap().as_ref().unwrap().len();
        let timer = || device.create_timer(None, &(), |()| ()).unwrap();
        drop(timer());
        let before = blocks();
        (0..100).for_each(|_| drop(timer()));
        assert_eq!(blocks(), before, "the records of ended timers are used again");
        Ok(timer())
    }
}

#[test]
fn a_timer_is_destroyed_once() {
    let _alone = alone();
    static DEVICES: Devices<Timers> = Devices::new();
    assert_eq!(add(&DEVICES, 1), 0);
    remove(&DEVICES, 1);
    assert_eq!(notes(), ["timer destroyed"; 102]);
    assert_all_memory_is_freed();
}
