//! The driver's parameters and counters, and the statistics of drivers and nodes, against what the threads know that they hold.
use crate::addresses::{unmapped, unreadable, unwritable};
use crate::per_cpu;
use crate::worker::{Worker, check};
use arrayvec::{ArrayString, ArrayVec};
use core::ffi::{CStr, c_char};
use core::fmt::Write;
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicU64, Ordering};
use driver_kit::abi::{self, DriverStatistics, KERNEL_COUNTER_NAME_SIZE, NumaNodeStatistics};

/// The driver's parameters: `boot/src/soak/exports.rs` sets them.
const PARAMETERS: [(&CStr, &[u8]); 3] = [(c"text", b"later_value"), (c"flag", b""), (c"pair", b"a=b")];
/// Names of parameters that are not the driver's.
const NO_PARAMETERS: [&CStr; 4] = [c"secret", c"tex", c"texts", c""];
const LONGEST_VALUE: usize = 16;
const UNTOUCHED: u8 = 0xee;

/// Each worker publishes so many counters at most.
const MOST_COUNTERS: usize = 6;
const MOST_CPUS: usize = 64;
const MOST_NODES: usize = 8;

static COUNTERS: [[AtomicU64; MOST_COUNTERS]; MOST_CPUS] =
    [const { [const { AtomicU64::new(0) }; MOST_COUNTERS] }; MOST_CPUS];

/// What a worker knows of all this.
pub struct Known {
    is_published: [bool; MOST_COUNTERS],
    /// The first answer for the driver `hostages`, which has the same in the whole round.
    hostages: Option<DriverStatistics>,
    nodes: ArrayVec<NumaNodeStatistics, MOST_NODES>,
}

impl Known {
    pub fn new() -> Self {
        let nodes = (0..crate::nodes() as usize).map(|_| NumaNodeStatistics::default());
        Self { is_published: [false; MOST_COUNTERS], hostages: None, nodes: nodes.take(MOST_NODES).collect() }
    }
}

pub fn step(worker: &mut Worker) {
    match worker.random.below(8) {
        0 | 1 => parameter(worker),
        2 | 3 => counter(worker),
        4 => of_drivers(worker),
        5 => of_node(worker),
        6 => refused(worker),
        _ => per_cpu::step(worker),
    }
}

fn parameter(worker: &mut Worker) {
    let (name, value) = worker.random.pick(&PARAMETERS);
    let no_name = worker.random.pick(&NO_PARAMETERS);
    let size = worker.random.index(LONGEST_VALUE + 1);
    let mut buffer = [UNTOUCHED; LONGEST_VALUE + 1];
    // Bytes have no alignment, so no pointer into the stack is bad.
    let bad = unmapped::<c_char>(&mut worker.random);
    worker.count(3);
    // SAFETY: names end with zeros, and the buffer has room for `size` bytes.
    unsafe {
        let length = abi::Kernel_GetParameter(name.as_ptr(), buffer.as_mut_ptr().cast(), size);
        check!(worker, length as usize == value.len());
        let kept = value.len().min(size.saturating_sub(1));
        check!(worker, buffer[..kept] == value[..kept] && (size == 0 || buffer[kept] == 0));
        check!(worker, buffer[size.min(kept + 1)..].iter().all(|byte| *byte == UNTOUCHED));
        check!(worker, abi::Kernel_GetParameter(no_name.as_ptr(), buffer.as_mut_ptr().cast(), size) == -1);
        check!(worker, abi::Kernel_GetParameter(unmapped(&mut worker.random), null_mut(), 0) == -1);
        check!(worker, abi::Kernel_GetParameter(name.as_ptr(), bad, LONGEST_VALUE) == -1);
    }
}

fn name_of(worker: &Worker, counter: usize) -> ArrayString<KERNEL_COUNTER_NAME_SIZE> {
    let mut name = ArrayString::new();
    // There is room for the largest numbers.
    let _ = write!(name, "cpu{}.{counter}\0", worker.number);
    name
}

/// Publishes or withdraws one of the worker's counters.
fn counter(worker: &mut Worker) {
    let index = worker.random.index(MOST_COUNTERS);
    let (name, counter) = (name_of(worker, index), &COUNTERS[worker.number][index]);
    let was_published = worker.known.is_published[index];
    counter.fetch_add(1, Ordering::Relaxed);
    worker.count(1);
    // SAFETY: the name ends with a zero, and the counter is a static.
    unsafe {
        if worker.random.once_in(2) {
            let is_published = abi::Kernel_PublishCounter(name.as_ptr().cast(), counter.as_ptr());
            check!(worker, !(was_published && is_published));
            worker.known.is_published[index] |= is_published;
        } else {
            check!(worker, abi::Kernel_PublishCounter(name.as_ptr().cast(), null()) == was_published);
            worker.known.is_published[index] = false;
        }
    }
}

fn ask(name: *const c_char) -> Option<DriverStatistics> {
    let size = size_of::<DriverStatistics>() as u32;
    let mut statistics = DriverStatistics { Size: size, ..DriverStatistics::default() };
    // SAFETY: the name is null or ends with a zero, and the structure is a local variable.
    unsafe { abi::Kernel_GetDriverStatistics(name, &mut statistics) }.then_some(statistics)
}

fn of_drivers(worker: &mut Worker) {
    worker.count(3);
    let own = ask(worker.random.pick(&[null(), c"fuzz_exports".as_ptr()]));
    check!(worker, own.is_some());
    let Some(own) = own else { return };
    let pages: u64 = worker.pages.iter().map(|pages| pages.count).sum();
    let bytes: u64 = worker.blocks.iter().map(|block| block.size as u64).sum();
    let timers = worker.timers.count() as u64;
    // Besides it there is the thread of `Driver_Init`.
    check!(worker, own.Threads >= 2 && own.Faults == 0 && own.HeapBytes >= bytes);
    check!(worker, own.Pages >= pages && own.Timers >= timers);
    if crate::cpus() == 1 {
        check!(worker, own.Pages == pages + per_cpu::pages() && own.Timers == timers);
    }
    // No other thread has a device.
    if worker.devices.id != 0 {
        check!(worker, own.DmaBytes == worker.devices.dma_bytes);
        check!(worker, own.Mappings == worker.devices.mapping_count() as u64);
        check!(worker, own.Interrupts == u64::from(worker.devices.has_interrupt));
    }
    let hostages = ask(c"hostages".as_ptr());
    check!(
        worker,
        hostages.is_some_and(|have| have.DmaBytes == 8192 && have.Timers == 1 && have.Threads == 0)
    );
    check!(worker, worker.known.hostages.is_none() || worker.known.hostages == hostages);
    worker.known.hostages = hostages;
    check!(worker, ask(c"no such driver".as_ptr()).is_none());
}

fn of_node(worker: &mut Worker) {
    let node = worker.random.index(worker.known.nodes.len());
    let mut now = NumaNodeStatistics { Size: size_of::<NumaNodeStatistics>() as u32, ..Default::default() };
    worker.count(1);
    // SAFETY: the structure is a local variable.
    check!(worker, unsafe { abi::Kernel_GetNumaNodeStatistics(node as i32, &mut now) });
    let before = core::mem::replace(&mut worker.known.nodes[node], now);
    check!(worker, now.Free <= now.Managed && now.Managed <= now.Total && now.LargestFree <= now.Free);
    check!(worker, now.LargestFree == 0 || now.LargestFree.is_power_of_two());
    check!(worker, before.Total == 0 || (before.Total, before.Managed) == (now.Total, now.Managed));
    let counts = |of: NumaNodeStatistics| {
        [of.Hit, of.Miss, of.Foreign, of.InterleaveHit, of.Local, of.Other, of.Refused]
    };
    check!(worker, counts(before).into_iter().zip(counts(now)).all(|(before, now)| before <= now));
    let held: u64 =
        worker.pages.iter().filter(|pages| pages.is_on(node as i32)).map(|pages| pages.count).sum();
    check!(worker, now.Managed - now.Free >= held);
}

fn refused(worker: &mut Worker) {
    let (bad_name, node) = (unmapped::<c_char>(&mut worker.random), worker.random.no_index(crate::nodes()));
    let counter = COUNTERS[worker.number][0].as_ptr();
    let bad_counter = unreadable(&mut worker.random, &COUNTERS[0][1]).cast::<u64>();
    let names =
        [c"", c"a b", c"a\n", c"a\xff", c"\xe4", c"0123456789012345678901234567890123456789012345678"];
    let name = worker.random.pick(&names);
    let size = size_of::<DriverStatistics>() as u32;
    let good = DriverStatistics { Size: size, ..DriverStatistics::default() };
    let mut of_driver = [good, DriverStatistics::default()];
    let mut of_node =
        NumaNodeStatistics { Size: size_of::<NumaNodeStatistics>() as u32, ..Default::default() };
    let bad_statistics = unwritable(&mut worker.random, &mut of_driver[0]);
    let bad_node_statistics = unwritable(&mut worker.random, &mut of_node);
    worker.count(8);
    // SAFETY: the functions follow no pointer that they refuse, and the others are of local variables and statics.
    unsafe {
        check!(worker, !abi::Kernel_PublishCounter(name.as_ptr(), counter));
        check!(worker, !abi::Kernel_PublishCounter(bad_name, counter));
        check!(worker, bad_counter.is_null() || !abi::Kernel_PublishCounter(c"bad".as_ptr(), bad_counter));
        check!(worker, !abi::Kernel_PublishCounter(c"bad".as_ptr(), null()));
        check!(worker, bad_name.is_null() || !abi::Kernel_GetDriverStatistics(bad_name, &mut of_driver[0]));
        check!(worker, !abi::Kernel_GetDriverStatistics(null(), bad_statistics));
        check!(worker, !abi::Kernel_GetNumaNodeStatistics(node, &mut of_node));
        check!(worker, !abi::Kernel_GetNumaNodeStatistics(0, bad_node_statistics));
        of_driver[0].Size = worker.random.pick(&[0, 8, size - 1, 2 * size, u32::MAX]);
        // Of the last two, the tail is not zero, or not there.
        of_driver[1].Faults = 1;
        check!(worker, !abi::Kernel_GetDriverStatistics(null(), &mut of_driver[0]));
    }
    check!(worker, of_driver[0].Threads == 0 && of_node.Total == 0);
}

/// Returns true if the driver has nothing but the memory of each CPU: its threads have given everything back.
pub fn has_nothing_left() -> bool {
    let expected = DriverStatistics {
        Size: size_of::<DriverStatistics>() as u32,
        Pages: per_cpu::pages(),
        Threads: 1,
        ..DriverStatistics::default()
    };
    ask(null()) == Some(expected)
}
