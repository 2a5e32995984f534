//! The functions of `proxima_mock.h`, for tests in C.
use crate::disk::Disk;
use crate::driver::{Driver, read_devices};
use crate::finding::Left;
use crate::kernel::{Kernel, Plugged, Spawned};
use crate::machine::{Machine, Node};
use crate::model::{Bus, DeviceModel};
use crate::pci::Pci;
use crate::process;
use crate::world::{describe, with};
use abi::DeviceMatch;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};

#[repr(C)]
#[derive(Clone, Copy)]
struct MockLeft {
    pages: u32,
    heap: u32,
    dma: u32,
    threads: u32,
    timers: u32,
    mappings: u32,
    interfaces: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MockMachine {
    nodes: u32,
    cpus_per_node: u32,
    has_seed: bool,
    is_scattered: bool,
    seed: u64,
    allowed: MockLeft,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MockDriver {
    name: *const c_char,
    init: unsafe extern "C" fn() -> c_int,
    exit: Option<unsafe extern "C" fn()>,
    devices: *const DeviceMatch,
    add_device: Option<unsafe extern "C" fn(c_int) -> c_int>,
    remove_device: Option<unsafe extern "C" fn(c_int)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MockCapability {
    id: u8,
    length: u8,
    bytes: [u8; 30],
}

type Test = unsafe extern "C" fn(*mut c_void);
type NumberedTest = unsafe extern "C" fn(u64, *mut c_void);

#[repr(C)]
#[derive(Clone, Copy)]
struct MockDevice {
    vendor: u16,
    device: u16,
    class: u32,
    node: i32,
    bar_bytes: [u64; 6],
    msix: u16,
    msi: u16,
    pin: u8,
    is_conventional: bool,
    has_no_reset: bool,
    capability_count: u8,
    capabilities: [MockCapability; 8],
    context: *mut c_void,
    read: Option<unsafe extern "C" fn(*mut c_void, c_int, c_int, u64, u32) -> u64>,
    write: Option<unsafe extern "C" fn(*mut c_void, c_int, c_int, u64, u32, u64)>,
    work: Option<unsafe extern "C" fn(*mut c_void, c_int)>,
    reset: Option<unsafe extern "C" fn(*mut c_void, c_int)>,
}

/// The run of this process: its kernel, its devices and its threads.
struct Run {
    kernel: Cell<Option<Kernel>>,
    devices: RefCell<Vec<Plugged<MockDevice>>>,
    threads: RefCell<Vec<Option<Spawned>>>,
    /// The table of the driver.
    table: Cell<usize>,
}

struct OneRun(Run);
// SAFETY: each run is a process of its own with one thread. Before it, one thread of a program in C sets the table.
unsafe impl Sync for OneRun {}
static RUN: OneRun = OneRun(Run {
    kernel: Cell::new(None),
    devices: RefCell::new(Vec::new()),
    threads: RefCell::new(Vec::new()),
    table: Cell::new(0),
});

fn kernel() -> Kernel {
    RUN.0
        .kernel
        .get()
        .unwrap_or_else(|| process::fail("a function of proxima_mock.h was called outside of a run"))
}

fn plugged(device: c_int) -> Plugged<MockDevice> {
    let devices = RUN.0.devices.borrow();
    let found = devices.iter().find(|plugged| plugged.id() == device);
    found.cloned().unwrap_or_else(|| process::fail("Mock_Plug has not returned this device"))
}

fn bus(device: c_int) -> Bus {
    let index = with(|world| world.devices.all.iter().position(|found| found.id == device));
    Bus { device: index.unwrap_or_else(|| process::fail("Mock_Plug has not returned this device")) }
}

const fn count(number: u32) -> usize {
    if number == u32::MAX { usize::MAX } else { number as usize }
}

impl MockMachine {
    fn machine(&self) -> Machine {
        let left = self.allowed;
        let node = Node {
            cpus: if self.cpus_per_node == 0 { 2 } else { self.cpus_per_node as usize },
            pages: 1 << 16,
        };
        let mut machine = Machine::new().nodes(&vec![node; self.nodes.max(1) as usize]).allow_left(Left {
            pages: count(left.pages),
            heap: count(left.heap),
            dma: count(left.dma),
            threads: count(left.threads),
            timers: count(left.timers),
            mappings: count(left.mappings),
            interfaces: count(left.interfaces),
        });
        if self.has_seed {
            machine = machine.seed(self.seed);
        }
        if self.is_scattered { machine.scattered() } else { machine }
    }
}

impl MockDriver {
    fn driver(&self) -> Driver {
        RUN.0.table.set(self.devices.expose_provenance());
        // SAFETY: the name ends with a zero byte, and stays as long as the program.
        let name = unsafe { CStr::from_ptr(self.name) }.to_str().unwrap_or("driver");
        let table = || {
            let first = std::ptr::with_exposed_provenance(RUN.0.table.get());
            // SAFETY: the driver's table ends with an element of size 0.
            unsafe { read_devices(first) }
        };
        Driver {
            name,
            init: self.init,
            exit: self.exit,
            devices: (!self.devices.is_null()).then_some(table),
            add_device: self.add_device,
            remove_device: self.remove_device,
        }
    }
}

impl DeviceModel for MockDevice {
    fn read(&mut self, bus: &Bus, bar: u32, offset: u64, width: u32) -> u64 {
        let id = id_of(bus);
        // SAFETY: the test has plugged the device in with this function and context.
        self.read.map_or(u64::MAX, |read| unsafe { read(self.context, id, bar as c_int, offset, width) })
    }

    fn write(&mut self, bus: &Bus, bar: u32, offset: u64, width: u32, value: u64) {
        if let Some(write) = self.write {
            // SAFETY: as in `read`.
            unsafe { write(self.context, id_of(bus), bar as c_int, offset, width, value) };
        }
    }

    fn work(&mut self, bus: &Bus) {
        if let Some(work) = self.work {
            // SAFETY: as in `read`.
            unsafe { work(self.context, id_of(bus)) };
        }
    }

    fn reset(&mut self, bus: &Bus) {
        if let Some(reset) = self.reset {
            // SAFETY: as in `read`.
            unsafe { reset(self.context, id_of(bus)) };
        }
    }
}

fn id_of(bus: &Bus) -> c_int {
    with(|world| world.devices.all[bus.device].id)
}

fn report(outcome: Result<(), String>) -> bool {
    if let Err(report) = &outcome {
        process::echo(report);
    }
    outcome.is_ok()
}

fn begin(kernel: &Kernel) {
    RUN.0.kernel.set(Some(*kernel));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Run(
    machine: *const MockMachine,
    driver: *const MockDriver,
    test: Test,
    context: *mut c_void,
) -> bool {
    // SAFETY: the test passes structures of the header, which are there.
    let (machine, driver) = unsafe { ((*machine).machine(), (*driver).driver()) };
    report(machine.attempt(driver, |kernel| {
        begin(kernel);
        // SAFETY: the test passes a function that takes this argument.
        unsafe { test(context) };
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_RunWithEachAllocationFailing(
    machine: *const MockMachine,
    driver: *const MockDriver,
    test: NumberedTest,
    context: *mut c_void,
) -> bool {
    // SAFETY: the test passes structures of the header, which are there.
    let (machine, driver) = unsafe { ((*machine).machine(), (*driver).driver()) };
    report(machine.attempt_with_each_allocation_failing(driver, |kernel, number| {
        begin(kernel);
        // SAFETY: the test passes a function that takes this argument.
        unsafe { test(number, context) };
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_EachSeed(first: u64, count: u64, test: NumberedTest, context: *mut c_void) {
    kernel().each_seed(first..first + count, |_, seed| {
        // SAFETY: the test passes a function that takes this argument.
        unsafe { test(seed, context) };
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Fail(file: *const c_char, line: c_int, reason: *const c_char) {
    // SAFETY: both texts end with a zero byte.
    let (file, reason) = unsafe { (CStr::from_ptr(file), CStr::from_ptr(reason)) };
    let (file, reason) = (file.to_string_lossy(), reason.to_string_lossy());
    process::fail(&format!("{file}:{line}: {reason}\n{}", describe()));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Load() -> c_int {
    kernel().load()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Unload() {
    kernel().unload();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Advance(nanoseconds: u64) {
    kernel().advance(nanoseconds);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Spawn(cpu: c_int, run: Test, context: *mut c_void) -> c_int {
    // SAFETY: the test passes a function that takes this argument.
    let thread = kernel().spawn(usize::try_from(cpu).unwrap_or(usize::MAX), move || unsafe { run(context) });
    let mut threads = RUN.0.threads.borrow_mut();
    threads.push(Some(thread));
    threads.len() as c_int - 1
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Join(thread: c_int) {
    let taken = RUN.0.threads.borrow_mut().get_mut(thread as usize).and_then(Option::take);
    match taken {
        Some(thread) => thread.join(),
        None => process::fail("Mock_Spawn has not returned this thread, or it was joined before"),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_AsDriver(run: Test, context: *mut c_void) {
    // SAFETY: the test passes a function that takes this argument.
    kernel().as_driver(move || unsafe { run(context) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_FailAllocation(number: u64) {
    kernel().fail_allocation(number);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_FailEvery(multiple: u64) {
    kernel().fail_every(multiple);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_SetParameter(key: *const c_char, value: *const c_char) {
    // SAFETY: both texts end with a zero byte.
    let (key, value) = unsafe { (CStr::from_ptr(key), CStr::from_ptr(value)) };
    kernel().set_parameter(&key.to_string_lossy(), &value.to_string_lossy());
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Counter(name: *const c_char, value: *mut u64) -> bool {
    // SAFETY: the name ends with a zero byte.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    let Some(count) = kernel().counter(&name) else { return false };
    // SAFETY: the test passes a variable.
    unsafe { value.write(count) };
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Buffer(block: c_int, bytes: usize, address: *mut u64) -> *mut c_void {
    let buffer = Disk::of(block).buffer(bytes);
    // SAFETY: the test passes a variable.
    unsafe { address.write(buffer.whole().Address) };
    buffer.memory().cast()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_LogHas(text: *const c_char) -> bool {
    // SAFETY: the text ends with a zero byte.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    kernel().log().iter().any(|line| line.contains(&*text))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_TakeFindings(kind: c_int) -> usize {
    with(|world| {
        let before = world.findings.len();
        world.findings.retain(|finding| finding.kind as c_int != kind);
        before - world.findings.len()
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Plug(device: *const MockDevice) -> c_int {
    // SAFETY: the test passes a structure of the header, which is there.
    let device = unsafe { *device };
    let mut pci = Pci::new(device.vendor, device.device).class(device.class);
    for (index, bytes) in device.bar_bytes.into_iter().enumerate().filter(|(_, bytes)| *bytes > 0) {
        pci = pci.memory_bar_32(index, bytes);
    }
    pci = pci.msix(device.msix).msi(device.msi).line(device.pin);
    if let Ok(node) = usize::try_from(device.node) {
        pci = pci.node(node);
    }
    for capability in device.capabilities.iter().take(usize::from(device.capability_count)) {
        pci = pci.capability(capability.id, &capability.bytes[..usize::from(capability.length.min(30))]);
    }
    if device.is_conventional {
        pci = pci.conventional();
    }
    if device.has_no_reset {
        pci = pci.without_reset();
    }
    let plugged = kernel().plug(pci, device);
    let id = plugged.id();
    RUN.0.devices.borrow_mut().push(plugged);
    id
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Added(device: c_int) -> c_int {
    plugged(device).added().unwrap_or(c_int::MIN)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_PullOut(device: c_int) {
    kernel().pull_out(&plugged(device));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_ReadMemory(device: c_int, address: u64, bytes: *mut u8, count: usize) -> bool {
    // SAFETY: the test passes an array of so many bytes, which it does not use meanwhile.
    let bytes = unsafe { std::slice::from_raw_parts_mut(bytes, count) };
    bus(device).read(address, bytes)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_WriteMemory(device: c_int, address: u64, bytes: *const u8, count: usize) -> bool {
    // SAFETY: the test passes an array of so many bytes, which it does not write meanwhile.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, count) };
    bus(device).write(address, bytes)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Raise(device: c_int, vector: c_int) {
    bus(device).raise(u16::try_from(vector).unwrap_or(u16::MAX));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_SetLine(device: c_int, is_set: bool) {
    bus(device).set_line(is_set);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Work(device: c_int, nanoseconds: u64) {
    bus(device).work_in(nanoseconds);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Mock_Writable(device: c_int, index: usize, address: *mut u64, bytes: *mut u64) -> bool {
    let Some(piece) = bus(device).writable().get(index).copied() else { return false };
    // SAFETY: the test passes two variables.
    unsafe {
        address.write(piece.0);
        bytes.write(piece.1);
    }
    true
}
