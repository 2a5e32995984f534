//! The exports about block devices. What [`crate::block`] does without a lock it checks itself; this file checks the rest.
use super::pointer::{self, Access, DriverPointer};
use super::{caller, thread_only};
use crate::block::{self, Functions, NewBlockDevice};
use crate::cpu::MayWait;
use crate::devices::device_registry;
use crate::threads::misuses::Misuse;
use crate::threads::owner::Owner;
use abi::{
    BlockDriver, BlockInfo, BlockRequest, KERNEL_BLOCK_MAX_DEPTH, KERNEL_BLOCK_MAX_QUEUES,
    KERNEL_BLOCK_MAX_SEGMENTS, KERNEL_BLOCK_NAME_SIZE,
};
use arrayvec::ArrayString;
use core::ffi::{c_char, c_int};

/// What an export returns for arguments that it refuses.
const NONE: c_int = -1;
/// `BlockDriver.Device`: the block device has no device on PCI.
const NO_DEVICE: c_int = 0;
/// The sizes of a block: powers of two from 512 bytes to 1 GiB.
const BLOCK_SIZES: core::ops::RangeInclusive<u32> = 512..=1 << 30;
/// The most bytes of a device.
const MOST_BYTES: u64 = 1 << 63;

/// Returns the proof that a function for threads may run, or logs that it may not.
fn in_thread(function: &'static str) -> Option<MayWait> {
    if thread_only::may_wait(function) { MayWait::now() } else { None }
}

pub unsafe extern "C" fn register_block(driver: *const BlockDriver) -> c_int {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let driver = unsafe { DriverPointer::new(driver) };
    let register = || {
        in_thread("Kernel_RegisterBlock")?;
        // Before there is a request.
        block::set_count_down(super::resolve("Kernel_CountDown")?);
        let (owner, driver) = (caller::driver(), driver.read_sized()?);
        let new = read_driver(&driver, owner);
        if new.is_none() {
            block::report(Misuse::BadBlockDevice, "described a block device that cannot be");
        }
        block::register(&new?, owner)
    };
    register().unwrap_or(NONE)
}

/// Returns the block device that a driver describes; `None` if a field is not as `BlockDriver` says.
fn read_driver(driver: &BlockDriver, owner: Option<&'static Owner>) -> Option<NewBlockDevice> {
    let is_valid = driver.Flags == 0
        && driver.Reserved == 0
        && driver.BlockSize.is_power_of_two()
        && BLOCK_SIZES.contains(&driver.BlockSize)
        && driver.Blocks >= 1
        && driver.Blocks < MOST_BYTES / u64::from(driver.BlockSize)
        && driver.MaxBytes >= u64::from(driver.BlockSize)
        && (1..=KERNEL_BLOCK_MAX_SEGMENTS).contains(&driver.MaxSegments)
        && (1..=KERNEL_BLOCK_MAX_QUEUES).contains(&driver.Queues)
        && (1..=KERNEL_BLOCK_MAX_DEPTH).contains(&driver.Depth);
    let functions = Functions { context: driver.Context, submit: driver.Submit?, poll: driver.Poll? };
    let are_code =
        pointer::is_code(functions.submit as *const ()) && pointer::is_code(functions.poll as *const ());
    let name = name_in(&driver.Name)?;
    let node = match driver.Device {
        NO_DEVICE => None,
        device => device_registry::find_owned(device, owner?, "Kernel_RegisterBlock")?.node,
    };
    (is_valid && are_code).then_some(NewBlockDevice {
        name,
        device: driver.Device,
        node: node.map(|node| node.node),
        block_size: driver.BlockSize,
        blocks: driver.Blocks,
        max_bytes: driver.MaxBytes,
        max_segments: driver.MaxSegments,
        queues: driver.Queues,
        depth: driver.Depth,
        functions,
    })
}

/// Returns the name in a field; `None` if it is empty, has no zero byte at its end, or is not UTF-8.
fn name_in(field: &[c_char; KERNEL_BLOCK_NAME_SIZE]) -> Option<ArrayString<KERNEL_BLOCK_NAME_SIZE>> {
    let bytes = field.map(|byte| byte as u8);
    let end = bytes.iter().position(|&byte| byte == 0).filter(|&end| end > 0)?;
    ArrayString::from(core::str::from_utf8(&bytes[..end]).ok()?).ok()
}

/// Returns a field with this name, cut before a zero byte.
fn field_of(name: &str) -> [c_char; 32] {
    let mut field = [0; 32];
    let room = field.len() - 1;
    field.iter_mut().take(room).zip(name.bytes()).for_each(|(to, byte)| *to = byte as c_char);
    field
}

pub extern "C" fn unregister_block(block: c_int) -> bool {
    let Some(may_wait) = in_thread("Kernel_UnregisterBlock") else { return false };
    let is_unregistered = block::unregister(block, caller::driver(), &may_wait);
    if !is_unregistered {
        block::report(
            Misuse::NoBlockDevice,
            format_args!("unregistered {block:#x}, which is no block device of its own"),
        );
    }
    is_unregistered
}

pub unsafe extern "C" fn complete_block(request: *mut BlockRequest, status: c_int) {
    // SAFETY: the driver that submitted the request vouches for its `Done`.
    unsafe { block::complete(request, status) }
}

pub unsafe extern "C" fn open_block(name: *const c_char, after: c_int) -> c_int {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let name = unsafe { DriverPointer::new(name.cast::<u8>()) };
    let open = || {
        in_thread("Kernel_OpenBlock")?;
        if name.is_null() {
            return block::next(after);
        }
        block::find(&name.text::<KERNEL_BLOCK_NAME_SIZE>()?)
    };
    open().unwrap_or(NONE)
}

pub unsafe extern "C" fn get_block_info(block: c_int, info: *mut BlockInfo) -> bool {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let info = unsafe { DriverPointer::new(info) };
    let get = || {
        let size = info.check_sized(Access::Write)?;
        let device = block::describe(block)?;
        info.write(BlockInfo {
            Size: size,
            BlockSize: device.block_size,
            Blocks: device.blocks,
            Node: device.node,
            Queues: device.queues,
            MaxBytes: device.max_bytes,
            MaxSegments: device.max_segments,
            Depth: device.depth,
            Device: device.device,
            Reserved: 0,
            Name: field_of(&device.name),
            Driver: field_of(device.owner.map_or("", Owner::name)),
        })
    };
    get().is_some()
}

pub unsafe extern "C" fn submit_block(
    block: c_int,
    requests: *const *mut BlockRequest,
    count: c_int,
) -> c_int {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    unsafe { block::submit(block, requests, count) }
}

pub extern "C" fn poll_block(block: c_int, queue: c_int) -> c_int {
    block::poll(block, queue)
}
