//! A device: one thread at a time has QEMU's teaching device `edu`, with its mappings and its interrupt.
use crate::addresses::{no_code, unmapped, unwritable};
use crate::callbacks::Callbacks;
use crate::worker::{Worker, check};
use arrayvec::ArrayVec;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, Ordering};
use driver_kit::abi::{self, DeviceInfo, DeviceMatch, InterruptInfo, InterruptSetup};

const EDU: DeviceMatch = DeviceMatch::ids(0x1234, 0x11e8);
const BAR_BYTES: u64 = 1 << 20;
const MOST_MAPPINGS: usize = 6;
const COMMAND: u32 = 4;

/// A thread has the device.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// What a worker has of the device.
pub struct Devices {
    /// The device's id; 0 without it.
    pub id: c_int,
    /// The device decodes the addresses of its registers.
    is_enabled: bool,
    mappings: ArrayVec<*mut c_void, MOST_MAPPINGS>,
    pub has_interrupt: bool,
    is_attached: bool,
    /// The memory for DMA that the worker has not freed, in whole pages.
    pub dma_bytes: u64,
}

impl Devices {
    pub const fn new() -> Self {
        Self {
            id: 0,
            is_enabled: false,
            mappings: ArrayVec::new_const(),
            has_interrupt: false,
            is_attached: false,
            dma_bytes: 0,
        }
    }

    pub fn mapping_count(&self) -> usize {
        self.mappings.len()
    }
}

pub fn step(worker: &mut Worker) {
    if worker.devices.id == 0 {
        match worker.random.below(4) {
            0 => take(worker),
            _ => refused(worker),
        }
        return;
    }
    match worker.random.below(10) {
        0 if worker.random.once_in(8) => give_back(worker),
        1 => enable(worker),
        2 => map(worker),
        3 => unmap(worker),
        4 => configuration(worker),
        5 | 6 => interrupt(worker),
        7 => refused_of_own(worker),
        8 => info(worker),
        _ => refused(worker),
    }
}

/// Returns the device of this kind that the hostage is not.
fn find(worker: &Worker) -> c_int {
    let mut id = 0;
    loop {
        // SAFETY: the structure is a constant.
        id = unsafe { abi::Kernel_FindDevice(&EDU, id) };
        if id != worker.hostages.device() {
            return id;
        }
    }
}

fn take(worker: &mut Worker) {
    if IS_TAKEN.swap(true, Ordering::Acquire) {
        return;
    }
    let id = find(worker);
    worker.count(3);
    // SAFETY: the function takes any number.
    check!(worker, id > 0 && unsafe { abi::Kernel_ClaimDevice(id) });
    worker.devices = Devices { id, ..Devices::new() };
}

/// Gives the device back, and with it all that the worker has of it.
pub fn give_back(worker: &mut Worker) {
    let id = worker.devices.id;
    if id == 0 {
        return;
    }
    let mapping = worker.devices.mappings.last().copied();
    worker.devices = Devices::new();
    worker.count(4);
    // SAFETY: the worker uses no mapping any more.
    unsafe {
        abi::Kernel_ReleaseDevice(id);
        check!(worker, !abi::Kernel_EnableDevice(id, 0));
        check!(worker, !abi::Kernel_DetachInterrupt(id, 0));
        if let Some(mapping) = mapping {
            check!(worker, !abi::Kernel_UnmapDeviceMemory(mapping));
        }
    }
    IS_TAKEN.store(false, Ordering::Release);
}

fn enable(worker: &mut Worker) {
    let mut what = worker.random.pick(&[0, abi::DEVICE_MEMORY, abi::DEVICE_MEMORY | abi::DEVICE_BUS_MASTER]);
    if worker.hostages.keeps_memory() {
        what |= abi::DEVICE_MEMORY;
    }
    let id = worker.devices.id;
    worker.count(2);
    // SAFETY: the functions take any numbers.
    unsafe {
        check!(worker, abi::Kernel_EnableDevice(id, what));
        check!(worker, !abi::Kernel_EnableDevice(id, 8 << worker.random.below(29)));
    }
    worker.devices.is_enabled = what & abi::DEVICE_MEMORY != 0;
}

fn map(worker: &mut Worker) {
    if worker.devices.mappings.is_full() {
        return;
    }
    let offset = worker.random.below(BAR_BYTES);
    let size = worker.random.below(BAR_BYTES - offset) + 1;
    worker.count(1);
    // SAFETY: the function takes any numbers.
    let memory =
        unsafe { abi::Kernel_MapDeviceMemory(worker.devices.id, 0, offset, size, abi::DEVICE_UNCACHED) };
    if memory.is_null() {
        return;
    }
    check!(worker, memory.addr() as u64 % 4096 == offset % 4096);
    if worker.devices.is_enabled && offset == 0 && size >= 4 {
        // SAFETY: the mapping has the register, which may be read at any time.
        check!(worker, unsafe { memory.cast::<u32>().read_volatile() } & 0xff == 0xed);
    }
    worker.devices.mappings.push(memory);
}

fn unmap(worker: &mut Worker) {
    let Some(memory) = worker.devices.mappings.pop() else { return };
    worker.count(2);
    // SAFETY: the worker uses the mapping no more.
    unsafe {
        check!(worker, abi::Kernel_UnmapDeviceMemory(memory));
        // Another mapping may begin at this address only if this thread makes it.
        check!(worker, worker.devices.mappings.contains(&memory) || !abi::Kernel_UnmapDeviceMemory(memory));
    }
}

fn configuration(worker: &mut Worker) {
    let id = worker.devices.id;
    let (offset, width) = (worker.random.below(64) as u32 * 4, worker.random.pick(&[1, 2, 4]));
    worker.count(6);
    // SAFETY: the functions take any numbers.
    unsafe {
        check!(worker, abi::Kernel_ReadDeviceConfig(id, 0, 4) == 0x11e8_1234);
        let _ = abi::Kernel_ReadDeviceConfig(id, offset, width);
        check!(worker, abi::Kernel_ReadDeviceConfig(id, offset + 1, 4) == u32::MAX);
        check!(worker, abi::Kernel_ReadDeviceConfig(id, 4096, 4) == u32::MAX);
        // BARs and the command register are the kernel's.
        check!(worker, !abi::Kernel_WriteDeviceConfig(id, worker.random.pick(&[COMMAND, 0x10]), 4, u32::MAX));
        check!(worker, !abi::Kernel_WriteDeviceConfig(id, offset, 3, 0));
    }
}

unsafe extern "C" fn on_interrupt(_: *mut c_void) -> u32 {
    abi::INTERRUPT_NOT_MINE
}

fn setup(worker: &Worker, cpu: i32) -> InterruptSetup {
    InterruptSetup {
        Size: size_of::<InterruptSetup>() as u32,
        Flags: 0,
        Handler: Some(on_interrupt),
        Context: core::ptr::from_ref::<Callbacks>(worker.callbacks).cast_mut().cast(),
        Cpu: cpu,
        Reserved: 0,
    }
}

fn interrupt(worker: &mut Worker) {
    let Devices { id, has_interrupt, is_attached, .. } = worker.devices;
    let any = worker.random.index(crate::cpus()) as i32;
    let cpu = worker.random.pick(&[-1, any]);
    let setup = setup(worker, cpu);
    worker.count(2);
    // SAFETY: the structure is a local variable, and the handler takes any context.
    unsafe {
        if !has_interrupt {
            worker.devices.has_interrupt = abi::Kernel_AllocateInterrupts(id, 1, 1, abi::INTERRUPT_MSI) == 1;
            return;
        }
        check!(worker, abi::Kernel_AllocateInterrupts(id, 1, 1, abi::INTERRUPT_MSI) == -1);
        if !is_attached {
            worker.devices.is_attached = abi::Kernel_AttachInterrupt(id, 0, &setup);
            check!(worker, worker.devices.is_attached);
            return;
        }
        match worker.random.below(4) {
            0 => check!(worker, !abi::Kernel_AttachInterrupt(id, 0, &setup)),
            1 => {
                check!(worker, abi::Kernel_SetInterruptCpu(id, 0, worker.random.index(crate::cpus()) as i32))
            }
            2 => {
                // MSI of this device has no mask.
                let _ = abi::Kernel_MaskInterrupt(id, 0, worker.random.once_in(2));
            }
            _ => {
                check!(worker, abi::Kernel_DetachInterrupt(id, 0));
                worker.devices.is_attached = false;
            }
        }
    }
}

fn info(worker: &mut Worker) {
    let (id, is_attached) = (worker.devices.id, worker.devices.is_attached);
    let mut info = DeviceInfo { Size: size_of::<DeviceInfo>() as u32, ..DeviceInfo::default() };
    let mut interrupt = InterruptInfo { Size: size_of::<InterruptInfo>() as u32, ..InterruptInfo::default() };
    worker.count(4);
    // SAFETY: these are local variables, and refused pointers are not followed.
    unsafe {
        check!(worker, abi::Kernel_GetDeviceInfo(id, &mut info));
        check!(worker, info.VendorId == 0x1234 && info.Bars[0].Size == BAR_BYTES);
        let owner = info.Owner.map(|letter| letter as u8);
        check!(worker, owner.starts_with(b"fuzz_exports\0"));
        let bad = unwritable(&mut worker.random, &mut info);
        check!(worker, !abi::Kernel_GetDeviceInfo(id, bad));
        if worker.devices.has_interrupt {
            check!(worker, abi::Kernel_GetInterruptInfo(id, 0, &mut interrupt));
            check!(worker, is_attached == (interrupt.Cpu >= 0));
        }
        check!(
            worker,
            !abi::Kernel_GetInterruptInfo(id, worker.random.pick(&[-1, 1, i32::MAX]), &mut interrupt)
        );
    }
}

/// Calls for the worker's device with a wrong argument.
fn refused_of_own(worker: &mut Worker) {
    let id = worker.devices.id;
    let bar = worker.random.pick(&[-1, 1, 6, i32::MAX]);
    let (offset, size) =
        worker.random.pick(&[(0, 0), (BAR_BYTES, 1), (0, BAR_BYTES + 1), (u64::MAX, 2), (1, u64::MAX)]);
    let good = setup(worker, -1);
    // SAFETY: the kernel does not call what is no code. The type is that of a pointer that may be null.
    let no_code =
        unsafe { core::mem::transmute::<*const (), abi::InterruptHandler>(no_code(&mut worker.random)) };
    let bad_setups = [
        InterruptSetup { Flags: 1, ..good },
        InterruptSetup { Reserved: 1, ..good },
        InterruptSetup { Size: 8, ..good },
        InterruptSetup { Cpu: i32::MAX, ..good },
        InterruptSetup { Handler: no_code, ..good },
    ];
    let bad_setup = worker.random.pick(&bad_setups);
    let (index, least) = (worker.random.pick(&[-1, 1, i32::MAX]), worker.random.pick(&[0, -1, 2, i32::MAX]));
    worker.count(9);
    // SAFETY: the functions take any numbers, and follow no pointer that they refuse.
    unsafe {
        check!(worker, abi::Kernel_MapDeviceMemory(id, bar, 0, 4096, 0).is_null());
        check!(worker, abi::Kernel_MapDeviceMemory(id, 0, offset, size, 0).is_null());
        check!(worker, abi::Kernel_MapDeviceMemory(id, 0, 0, 4096, 2).is_null());
        check!(worker, !abi::Kernel_UnmapDeviceMemory(unmapped(&mut worker.random)));
        check!(worker, !abi::Kernel_AttachInterrupt(id, 0, &bad_setup));
        check!(worker, !abi::Kernel_AttachInterrupt(id, index, &good));
        check!(worker, !abi::Kernel_AttachInterrupt(id, 0, unmapped(&mut worker.random)));
        check!(worker, !abi::Kernel_SetInterruptCpu(id, 0, i32::MAX));
        check!(worker, abi::Kernel_AllocateInterrupts(id, least, 1, abi::INTERRUPT_MSI) == -1);
        check!(worker, abi::Kernel_AllocateInterrupts(id, 1, 1, 8) == -1);
    }
}

/// Calls for a device of another driver, or for none.
fn refused(worker: &mut Worker) {
    let id = worker.random.pick(&[0, -1, i32::MAX, worker.hostages.device(), worker.hostages.device()]);
    let setup = setup(worker, -1);
    let is_device = id == worker.hostages.device();
    worker.count(13);
    // SAFETY: the functions take any numbers, and the structures are local variables or refused.
    unsafe {
        check!(worker, !abi::Kernel_ClaimDevice(id));
        abi::Kernel_ReleaseDevice(id);
        check!(worker, !abi::Kernel_EnableDevice(id, abi::DEVICE_MEMORY));
        check!(worker, !abi::Kernel_ResetDevice(id));
        check!(worker, abi::Kernel_ReadDeviceConfig(id, 0, 4) == u32::MAX);
        check!(worker, !abi::Kernel_WriteDeviceConfig(id, 0x3c, 1, 0));
        check!(worker, abi::Kernel_MapDeviceMemory(id, 0, 0, 4096, 0).is_null());
        check!(worker, abi::Kernel_AllocateInterrupts(id, 1, 1, abi::INTERRUPT_MSI) == -1);
        check!(worker, !abi::Kernel_AttachInterrupt(id, 0, &setup));
        check!(worker, !abi::Kernel_SetInterruptCpu(id, 0, 0));
        check!(worker, !abi::Kernel_MaskInterrupt(id, 0, true));
        check!(worker, !abi::Kernel_DetachInterrupt(id, 0));
        check!(worker, is_device || abi::Kernel_FindDeviceCapability(id, 5, 0) == -1);
        check!(worker, abi::Kernel_FindDevice(unmapped(&mut worker.random), 0) == -1);
    }
}
