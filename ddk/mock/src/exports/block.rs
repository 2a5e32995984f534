//! Block devices: the driver registers them, and the test, as another driver, submits requests.
use crate::arguments::{can_write, can_write_sized, put_name, read, read_array, read_name, read_sized};
use crate::blocks::{Asked, OUTSTANDING, Outstanding, is_valid};
use crate::contexts::Owner;
use crate::enter;
use crate::finding::Kind;
use crate::schedule::{Pace, in_block_function, point, steps};
use crate::stepping;
use crate::world::{World, with};
use abi::{
    BLOCK_ERROR, BLOCK_GONE, BLOCK_OK, BLOCK_STATE_TAG, BlockDriver, BlockInfo, BlockRequest,
    KERNEL_BLOCK_NAME_SIZE,
};
use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicU32, Ordering};

/// The largest `Size` of a request.
const LARGEST_REQUEST: u32 = 4096;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_RegisterBlock(driver: *const BlockDriver) -> c_int {
    if !enter::may_wait("Kernel_RegisterBlock") {
        return -1;
    }
    let Some(driver) = read_sized(driver).filter(is_valid) else { return -1 };
    with(|world| {
        if driver.Device != 0 {
            enter::owned(world, "Kernel_RegisterBlock", driver.Device)?;
        }
        let end = driver.Name.iter().position(|byte| *byte == 0).filter(|end| *end > 0)?;
        let name: String = driver.Name[..end].iter().map(|byte| char::from(*byte as u8)).collect();
        let owner = world.caller();
        if world.driver.is_stopping || !world.may_allocate() {
            return None;
        }
        world.blocks.register(driver, name, owner)
    })
    .unwrap_or(-1)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_UnregisterBlock(block: c_int) -> bool {
    if !enter::may_wait("Kernel_UnregisterBlock") {
        return false;
    }
    let is_its = with(|world| {
        let caller = world.caller();
        world.blocks.get(block).is_some_and(|block| block.owner == caller)
    });
    is_its && unregister(block)
}

/// Takes a block device back. Its outstanding requests end as gone. Returns false if it is gone already.
pub fn unregister(id: c_int) -> bool {
    let Some(index) = with(|world| world.blocks.all.iter().position(|block| block.id == id)) else {
        return false;
    };
    let device = with(|world| world.blocks.all.remove(index));
    // Functions that still run may complete requests until they return.
    with(|world| world.blocks.closing.push(device));
    while with(|world| world.blocks.is_used(id)) {
        point(Pace::Yields);
    }
    let Some(device) = with(|world| world.blocks.close(id)) else { return true };
    for (request, outstanding) in device.outstanding {
        finish(request, outstanding, BLOCK_GONE);
    }
    true
}

/// Ends a request, which is not outstanding any more, and calls its `Done`.
fn finish(request: usize, outstanding: Outstanding, status: c_int) {
    let request: *mut BlockRequest = std::ptr::with_exposed_provenance_mut(request);
    let Some(now) = read(request.cast_const()) else {
        with(|world| {
            let text = "the memory of a request was freed while it was outstanding".into();
            world.found(Kind::ChangedRequest, text);
        });
        return;
    };
    with(|world| {
        let asked = Asked::of(&now);
        if asked != outstanding.asked {
            let text = format!(
                "a request was changed while it was outstanding, from {:?} to {asked:?}",
                outstanding.asked
            );
            world.found(Kind::ChangedRequest, text);
        }
    });
    // SAFETY: the request is readable, and its submitter has let the kernel write it until it has ended.
    unsafe {
        (*request).Status = status;
        (*request).State = now.State & !OUTSTANDING;
    }
    if let Some(done) = now.Done {
        // SAFETY: the submitter has named the function for this request.
        in_block_function(outstanding.submitter, || unsafe { done(request) });
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_CompleteBlock(request: *mut BlockRequest, status: c_int) {
    enter::any();
    let taken = with(|world| {
        let caller = world.caller();
        let owner = world.blocks.owner_of(request.addr());
        if owner != Some(caller) {
            let why = if owner.is_none() { "is not outstanding" } else { "another driver has accepted" };
            let text = format!("Kernel_CompleteBlock was called for request {request:p}, which {why}");
            world.found(Kind::BadCompletion, text);
            return None;
        }
        if !matches!(status, BLOCK_OK | BLOCK_ERROR | BLOCK_GONE) {
            world.found(Kind::BadCompletion, format!("a request was completed with the status {status}"));
        }
        world.blocks.take(request.expose_provenance())
    });
    let Some(outstanding) = taken else { return };
    let status = if matches!(status, BLOCK_OK | BLOCK_GONE) { status } else { BLOCK_ERROR };
    finish(request.addr(), outstanding, status);
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_OpenBlock(name: *const c_char, after: c_int) -> c_int {
    if !enter::may_wait("Kernel_OpenBlock") {
        return -1;
    }
    if name.is_null() {
        let next = |world: &mut World| world.blocks.all.iter().map(|block| block.id).find(|id| *id > after);
        return with(next).unwrap_or(-1);
    }
    let Some(name) = read_name(name, KERNEL_BLOCK_NAME_SIZE) else { return -1 };
    let named =
        |world: &mut World| world.blocks.all.iter().find(|block| block.name == name).map(|block| block.id);
    with(named).unwrap_or(-1)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetBlockInfo(block: c_int, to: *mut BlockInfo) -> bool {
    enter::any();
    let info = with(|world| {
        let name = world.driver.name.clone();
        let block = world.blocks.get(block)?;
        let driver = &block.driver;
        let mut info = BlockInfo {
            Size: 0,
            BlockSize: driver.BlockSize,
            Blocks: driver.Blocks,
            Node: -1,
            Queues: driver.Queues,
            MaxBytes: driver.MaxBytes,
            MaxSegments: driver.MaxSegments,
            Depth: driver.Depth,
            Device: driver.Device,
            Reserved: 0,
            Name: driver.Name,
            Driver: [0; 32],
        };
        put_name(if block.owner == Owner::Driver { &name } else { "test" }, &mut info.Driver);
        if let Some(device) = world.devices.find(info.Device) {
            info.Node = world.devices.all[device].pci.node.map_or(-1, |node| node as i32);
        }
        Some(info)
    });
    let Some(info) = info.filter(|_| can_write_sized(to)) else { return false };
    // SAFETY: the structure is there, and the driver may have it written.
    unsafe { to.write(BlockInfo { Size: (*to).Size, ..info }) };
    true
}

/// A request that the driver is offered.
#[derive(Clone, Copy)]
struct Offered {
    request: *mut BlockRequest,
    serial: u64,
}

/// Takes a request, if it is valid and there is room. Returns the number of its submission.
fn offer(world: &mut World, block: c_int, queue: usize, request: *mut BlockRequest) -> Option<u64> {
    let asked = read(request.cast_const())?;
    let is_new = asked.State == 0;
    let size = size_of::<BlockRequest>() as u32;
    if !can_write(request, 1) || (is_new && !(size..=LARGEST_REQUEST).contains(&asked.Size)) {
        return None;
    }
    if world.blocks.is_outstanding(request.addr()) {
        let text = format!("request {request:p} was submitted, which is outstanding");
        world.found(Kind::ChangedRequest, text);
        return None;
    }
    let submitter = world.caller();
    let serial = world.blocks.next_serial();
    let seeded = world.machine.seed.is_some();
    let random = &mut world.random;
    let device = world.blocks.all.iter_mut().find(|device| device.id == block)?;
    if !device.accepts(&asked, |count| read_array(asked.Segments, count)) {
        return None;
    }
    let tag = device.take_tag(queue, seeded.then_some(random))?;
    let outstanding = Outstanding { queue, tag, asked: Asked::of(&asked), submitter, serial };
    device.outstanding.insert(request.expose_provenance(), outstanding);
    // SAFETY: the request is there, and its submitter lets the kernel write this field.
    unsafe { (*request).State = tag | OUTSTANDING };
    const { assert!(OUTSTANDING & BLOCK_STATE_TAG == 0) };
    Some(serial)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_SubmitBlock(
    block: c_int,
    requests: *const *mut BlockRequest,
    count: c_int,
) -> c_int {
    enter::any();
    let Some(requests) = usize::try_from(count)
        .ok()
        .and_then(|count| read_array(requests, count))
        .filter(|_| !requests.is_null())
    else {
        return -1;
    };
    let entered = with(|world| {
        let cpu = world.contexts.here().cpu;
        let queue =
            requests.first().and_then(|request| read(request.cast_const())).map_or(-1, |first| first.Queue);
        let device = world.blocks.get(block)?;
        let queue = device.queue(queue, cpu)?;
        device.users += 1;
        Some((queue, device.driver))
    });
    let Some((queue, driver)) = entered else { return -1 };
    let mut offered = Vec::new();
    for request in requests {
        match with(|world| offer(world, block, queue, request)) {
            Some(serial) => offered.push(Offered { request, serial }),
            None => break,
        }
    }
    let accepted = if offered.is_empty() { 0 } else { submit(&driver, queue, &offered) };
    with(|world| settle(world, block, &offered[accepted..]));
    accepted as c_int
}

/// Calls the driver's `Submit`. Returns how many requests it has accepted.
fn submit(driver: &BlockDriver, queue: usize, offered: &[Offered]) -> usize {
    let Some(submit) = driver.Submit else { return 0 };
    let array: Vec<_> = offered.iter().map(|offered| offered.request).collect();
    let count = array.len() as c_int;
    let accepted = in_block_function(Owner::Driver, || {
        stepping::begin(steps());
        // SAFETY: the driver has registered the function with this argument. The array has so many requests, which are valid.
        unsafe { submit(driver.Context, queue as c_int, array.as_ptr(), count) }
    });
    if !(0..=count).contains(&accepted) {
        let text = format!("Submit has returned {accepted} for {count} requests");
        with(|world| world.found(Kind::BadReturn, text));
    }
    accepted.clamp(0, count) as usize
}

/// Takes the requests back that the driver has not accepted, and leaves its functions.
fn settle(world: &mut World, block: c_int, refused: &[Offered]) {
    for Offered { request, serial } in refused {
        let state = world.blocks.submission_of(request.addr());
        if state != Some(*serial) {
            let text = format!("Submit has not accepted request {request:p}, but it was completed");
            world.found(Kind::BadReturn, text);
            continue;
        }
        world.blocks.take(request.addr());
        // SAFETY: the request is outstanding until here, so the kernel may write it.
        unsafe { (**request).State &= !OUTSTANDING };
    }
    world.blocks.leave(block);
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_CountDown(request: *mut BlockRequest) {
    enter::any();
    let Some(now) = read(request.cast_const()) else { return };
    let word = now.Context.cast::<u32>();
    if !can_write(word, 1) {
        return;
    }
    // SAFETY: the word is there, and whoever has submitted the request has all accesses to it be atomic.
    let before = unsafe { AtomicU32::from_ptr(word) }.fetch_sub(1, Ordering::AcqRel);
    if before == 1 {
        with(|world| world.contexts.wake(word.addr(), usize::MAX));
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_PollBlock(block: c_int, queue: c_int) -> c_int {
    enter::any();
    let entered = with(|world| {
        let cpu = world.contexts.here().cpu;
        let device = world.blocks.get(block)?;
        let queue = device.queue(queue, cpu)?;
        device.users += 1;
        Some((queue, device.driver))
    });
    let Some((queue, BlockDriver { Poll: Some(poll), Context: context, .. })) = entered else { return 0 };
    let completed = in_block_function(Owner::Driver, || {
        stepping::begin(steps());
        // SAFETY: the driver has registered the function with this argument.
        unsafe { poll(context, queue as c_int) }
    });
    with(|world| {
        if completed < 0 {
            world.found(Kind::BadReturn, format!("Poll has returned {completed}"));
        }
        world.blocks.leave(block);
    });
    completed
}
