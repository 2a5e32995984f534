//! The block devices that there are: registering, finding and unregistering them, on threads.
//!
//! An id is an index into the tables and a generation, so that the id of a device that is gone finds nothing.
use super::complete::finish;
use super::done;
use super::length::Length;
use super::queue::{
    BY_NUMBER, BlockDevice, BlockQueue, Functions, MAX_BLOCK_DEVICES, QUEUES, QueueEntry, QueueInUse,
    TAG_BITS,
};
use super::request::RequestAt;
use crate::arch::InterruptsOff;
use crate::cpu::code_mark::{CodeKind, CodeMark};
use crate::cpu::{self, MayWait, PreemptionOff};
use crate::memory::heap;
use crate::threads::owner::Owner;
use crate::threads::used_kinds::UsedKind;
use crate::threads::{Mutex, sleep};
use abi::{BLOCK_GONE, KERNEL_BLOCK_NAME_SIZE};
use alloc::vec::Vec;
use arrayvec::ArrayString;
use block_slots::Slot;
use core::alloc::Layout;
use core::ffi::c_int;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicUsize};
use protection_keys::Key;
use units::{CpuId, NodeId};

/// Generations of an index. The index has the lower bits of an id, which is below 2³¹.
const GENERATIONS: u32 = 1 << 31 >> MAX_BLOCK_DEVICES.ilog2();
/// How long a wait for other CPUs lets other threads run before it looks again.
const PAUSE_NS: u64 = 100_000;

/// What a driver registers: a block device whose numbers are as `BlockDriver` says.
pub struct NewBlockDevice {
    /// The name: not empty.
    pub name: ArrayString<KERNEL_BLOCK_NAME_SIZE>,
    /// The id of the device that serves the requests; 0 if there is none.
    pub device: c_int,
    /// That device's node; `None` if it is unknown.
    pub node: Option<NodeId>,
    /// Bytes of a block.
    pub block_size: u32,
    /// The number of blocks.
    pub blocks: u64,
    /// The most bytes of a request.
    pub max_bytes: u64,
    /// The most segments of a request.
    pub max_segments: u32,
    /// The number of queues.
    pub queues: u32,
    /// The most requests that a queue holds.
    pub depth: u32,
    /// The driver's functions.
    pub functions: Functions,
}

/// What is known of a block device.
pub struct Description {
    /// The device's name.
    pub name: ArrayString<KERNEL_BLOCK_NAME_SIZE>,
    /// The driver that has registered it; `None` for the kernel.
    pub owner: Option<&'static Owner>,
    /// The id of the device that serves the requests; 0 if there is none.
    pub device: c_int,
    /// That device's node; -1 if it is unknown.
    pub node: i32,
    /// Bytes of a block.
    pub block_size: u32,
    /// The number of blocks.
    pub blocks: u64,
    /// The most bytes of a request.
    pub max_bytes: u64,
    /// The most segments of a request.
    pub max_segments: u32,
    /// The number of queues.
    pub queues: u32,
    /// The most requests that a queue holds.
    pub depth: u32,
}

/// The block devices by their indices.
pub(super) struct Registry {
    /// The devices. Index 0 is never used.
    pub(super) devices: [Option<&'static BlockDevice>; MAX_BLOCK_DEVICES],
    generations: [u32; MAX_BLOCK_DEVICES],
    /// The index that was used last.
    last: usize,
}

/// The lock around them. Threads alone take it.
pub(super) static REGISTRY: Mutex<Registry> =
    Mutex::new(Registry { devices: [None; MAX_BLOCK_DEVICES], generations: [0; MAX_BLOCK_DEVICES], last: 0 });

impl Registry {
    /// Returns an index that no device has, other than 0. Indices are used in turn.
    fn free_index(&self) -> Option<usize> {
        let all = (1..MAX_BLOCK_DEVICES).map(|step| (self.last + step) % MAX_BLOCK_DEVICES);
        all.filter(|&index| index != 0).find(|&index| self.devices[index].is_none())
    }

    fn find(&self, id: c_int) -> Option<&'static BlockDevice> {
        self.devices[id as usize % MAX_BLOCK_DEVICES].filter(|device| device.id == id as u32)
    }
}

/// Registers a block device, and returns its id. Returns `None` if the name is taken, or if there are too many block devices or
/// queues, or not enough memory.
pub fn register(new: &NewBlockDevice, owner: Option<&'static Owner>) -> Option<c_int> {
    let mut registry = REGISTRY.lock();
    if registry.devices.iter().flatten().any(|device| device.name == new.name) {
        return None;
    }
    if let Some(owner) = owner {
        owner.used().note(UsedKind::BlockDevices);
    }
    let index = registry.free_index()?;
    let id = registry.generations[index] * MAX_BLOCK_DEVICES as u32 + index as u32;
    let device = create(new, id, owner)?;
    registry.last = index;
    registry.devices[index] = Some(device);
    for cpu in cpu::all() {
        QUEUES.of(cpu)[index].set(device.queues[cpu.id.index() % device.queues.len()]);
    }
    if let Some(owner) = owner.filter(|owner| owner.has_failed()) {
        silence(owner);
    }
    Some(id as c_int)
}

/// Returns the device with this name.
pub fn find(name: &str) -> Option<c_int> {
    let registry = REGISTRY.lock();
    let device = registry.devices.iter().flatten().find(|device| device.name.as_str() == name)?;
    Some(device.id as c_int)
}

/// Returns the device after that with the id `after`; 0 means the first.
pub fn next(after: c_int) -> Option<c_int> {
    let first = after as usize % MAX_BLOCK_DEVICES + 1;
    REGISTRY.lock().devices[first..].iter().flatten().next().map(|device| device.id as c_int)
}

/// Describes the device with this id.
pub fn describe(id: c_int) -> Option<Description> {
    let queue = QueueInUse::of_this_cpu(id);
    if queue.id != id as u32 || queue.depth == 0 {
        return None;
    }
    let device = queue.device();
    Some(Description {
        name: device.name,
        owner: device.owner,
        device: device.device,
        node: device.node,
        block_size: queue.block_size,
        blocks: queue.blocks,
        max_bytes: device.max_bytes,
        max_segments: device.max_segments,
        queues: device.queues.len() as u32,
        depth: queue.depth,
    })
}

/// Returns true if the device with this id serves a block device. Any code may call this.
pub fn is_served_by(device: c_int) -> bool {
    let off = PreemptionOff::new();
    let queues = QUEUES.here(&off);
    queues.iter().any(|queue| !queue.is_empty() && queue.get(&off).device().device == device)
}

/// Unregisters a device of this owner. Outstanding requests end as gone. On return no CPU runs one of its functions, nor will. Returns
/// false if the owner has no such device.
pub fn unregister(id: c_int, owner: Option<&Owner>, may_wait: &MayWait) -> bool {
    let mut registry = REGISTRY.lock();
    let found = registry.find(id).filter(|device| is_same(device.owner, owner));
    found.map(|device| remove(&mut registry, device, may_wait)).is_some()
}

/// Unregisters all devices of a driver that is to be unloaded, and returns how many there were. Afterwards no function
/// `Done` of the driver is known. A thread calls this that may wait; another one unregisters nothing.
pub fn close_all(owner: &Owner) -> usize {
    let Some(may_wait) = MayWait::now() else { return 0 };
    let count = if owner.used().has(UsedKind::BlockDevices) {
        remove_each(&mut REGISTRY.lock(), |device| is_same(device.owner, Some(owner)), &may_wait)
    } else {
        0
    };
    if owner.used().has(UsedKind::Requests) {
        done::forget(owner);
    }
    count
}

/// Keeps the kernel from calling functions of a driver that has failed: its block devices accept and poll nothing, and the `Done` of its
/// requests is not called. Their outstanding requests end when it is unregistered. Any code may call this.
pub fn silence(owner: &'static Owner) {
    let off = InterruptsOff::new();
    let key = core::ptr::from_ref(owner).cast();
    for queue in BY_NUMBER.iter().map(|entry| entry.get(&off)).filter(|queue| queue.mark.owner() == key) {
        for cpu in cpu::all() {
            QUEUES.of(cpu)[queue.id as usize % MAX_BLOCK_DEVICES].clear();
        }
    }
    done::forget(owner);
}

/// Unregisters all block devices that are served by a device which is gone, and returns how many there were. A thread calls this that may
/// wait; another one unregisters nothing.
pub fn close_served_by(device: c_int) -> usize {
    let Some(may_wait) = MayWait::now() else { return 0 };
    remove_each(&mut REGISTRY.lock(), |block| block.device == device, &may_wait)
}

/// Removes all devices for which `is_wanted` returns true, and returns how many there were.
fn remove_each(
    registry: &mut Registry,
    is_wanted: impl Fn(&BlockDevice) -> bool,
    may_wait: &MayWait,
) -> usize {
    let mut count = 0;
    for index in 1..MAX_BLOCK_DEVICES {
        if let Some(device) = registry.devices[index].filter(|device| is_wanted(device)) {
            remove(registry, device, may_wait);
            count += 1;
        }
    }
    count
}

fn is_same(first: Option<&Owner>, second: Option<&Owner>) -> bool {
    first.map(core::ptr::from_ref) == second.map(core::ptr::from_ref)
}

/// Removes a device, ends its requests, and frees it.
fn remove(registry: &mut Registry, device: &'static BlockDevice, may_wait: &MayWait) {
    let index = device.id as usize % MAX_BLOCK_DEVICES;
    for cpu in cpu::all() {
        QUEUES.of(cpu)[index].clear();
    }
    // From here on no CPU calls the driver's functions, and no request is submitted. Completions still find their requests.
    wait_for_others(may_wait);
    for queue in &device.queues {
        end_requests(queue);
        BY_NUMBER[queue.first_state as usize >> TAG_BITS].clear();
    }
    // Completions that have found a queue are over after this.
    wait_for_others(may_wait);
    registry.devices[index] = None;
    registry.generations[index] = (registry.generations[index] + 1) % GENERATIONS;
    // SAFETY: no table leads to the queues since before the grace period, and `registry` does not list the device any more.
    unsafe { free(device) };
}

fn wait_for_others(may_wait: &MayWait) {
    cpu::wait_for_grace_period(|| sleep::sleep_ns(PAUSE_NS), may_wait);
}

/// Ends the requests that are outstanding in a queue which accepts no more.
fn end_requests(queue: &'static BlockQueue) {
    let slots = queue.slots();
    for request in slots.slots.iter().zip(slots.first_note..).filter_map(|(slot, note)| slot.take(note)) {
        // `Done` does not block, here as elsewhere.
        let _off = PreemptionOff::new();
        // SAFETY: the request was outstanding. Its submitter named `Done` for this call.
        unsafe { finish(RequestAt(request), BLOCK_GONE, queue) };
    }
}

/// Creates a device with its queues, which [`BY_NUMBER`] lists from then on. Only the holder of the registry's lock calls it.
fn create(new: &NewBlockDevice, id: u32, owner: Option<&'static Owner>) -> Option<&'static BlockDevice> {
    let mut queues = Vec::new();
    queues.try_reserve_exact(new.queues as usize).ok()?;
    let is_complete = (0..new.queues).all(|index| {
        let number = BY_NUMBER.iter().skip(1).position(QueueEntry::is_empty);
        let queue = number.and_then(|number| create_queue(new, id, index, number as u32 + 1, owner));
        queue.map(|queue| queues.push(queue)).is_some()
    });
    let memory = if is_complete {
        allocate::<BlockDevice>(node_of(new, 0), Layout::new::<BlockDevice>())
    } else {
        None
    };
    let Some(memory) = memory else {
        // SAFETY: no request was ever submitted to the queues, so no state of a request leads to them.
        queues.into_iter().for_each(|queue| unsafe { free_queue(queue) });
        return None;
    };
    let device = BlockDevice {
        id,
        owner,
        name: new.name,
        device: new.device,
        node: new.node.map_or(-1, |node| node.index() as i32),
        max_bytes: new.max_bytes,
        max_segments: new.max_segments,
        queues,
    };
    // SAFETY: the memory was allocated above for a device, and lives until `free`.
    let device: &'static BlockDevice = unsafe {
        memory.write(device);
        memory.as_ref()
    };
    device.queues.iter().for_each(|queue| queue.set_device(device));
    Some(device)
}

/// Returns the node for the queue with this index: that of the first CPU which uses it.
fn node_of(new: &NewBlockDevice, index: u32) -> NodeId {
    let cpu = cpu::get(CpuId(index)).map(|cpu| cpu.node);
    cpu.or(new.node).unwrap_or(cpu::current().node)
}

/// Returns the memory that a queue with so many usable slots needs, and the number of slots in it.
fn layout(depth: u32) -> Option<(Layout, u32)> {
    const {
        assert!(
            size_of::<BlockQueue>().is_multiple_of(align_of::<Slot>())
                && align_of::<AtomicPtr<Owner>>() == align_of::<Slot>()
        )
    };
    let slots = depth.checked_next_power_of_two()?;
    let with_slots = Layout::new::<BlockQueue>().extend(Layout::array::<Slot>(slots as usize).ok()?).ok()?.0;
    let submitters = Layout::array::<AtomicPtr<Owner>>(depth as usize).ok()?;
    Some((with_slots.extend(submitters).ok()?.0, slots))
}

/// Creates a queue, and lists it by its number.
fn create_queue(
    new: &NewBlockDevice,
    id: u32,
    index: u32,
    number: u32,
    owner: Option<&'static Owner>,
) -> Option<&'static BlockQueue> {
    let (layout, slots) = layout(new.depth)?;
    let first_state = number << TAG_BITS;
    let memory = allocate::<BlockQueue>(node_of(new, index), layout)?;
    // SAFETY: by `layout` the slots lie within the memory, right behind the queue.
    let first = unsafe { memory.add(1).cast::<Slot>() };
    // `BlockQueue::slot_of` reaches them by their addresses.
    let _ = first.as_ptr().expose_provenance();
    for index in 0..slots as usize {
        let slot = if index < new.depth as usize {
            Slot::free(first_state as usize + index)
        } else {
            Slot::unusable()
        };
        // SAFETY: by `layout` there is room for so many slots.
        unsafe { first.add(index).write(slot) };
    }
    for index in 0..new.depth as usize {
        // SAFETY: by `layout` there is room for so many pointers behind the slots.
        unsafe {
            first.add(slots as usize).cast::<AtomicPtr<Owner>>().add(index).write(AtomicPtr::default())
        };
    }
    let most = (new.max_bytes / u64::from(new.block_size)).min(new.blocks).min(u64::from(u32::MAX));
    let mark = CodeMark::new(owner.map_or(core::ptr::null(), core::ptr::from_ref).cast(), CodeKind::OfQueue);
    mark.set_key(owner.map_or(Key::KERNEL, Owner::protection_key));
    let queue = BlockQueue {
        mark,
        id,
        first_state,
        usual: Length::usual(most, new.blocks, u64::from(new.block_size)),
        most_blocks: most as u32,
        blocks: new.blocks,
        block_size: new.block_size,
        depth: new.depth,
        slot_mask: slots as usize - 1,
        index: index as c_int,
        known_done: BlockQueue::no_done(),
        functions: new.functions,
        device: AtomicPtr::default(),
        next_slot: AtomicUsize::new(0),
    };
    // SAFETY: the memory was allocated above for a queue, and lives until `free_queue`.
    let queue: &'static BlockQueue = unsafe {
        memory.write(queue);
        memory.as_ref()
    };
    BY_NUMBER[number as usize].set(queue);
    Some(queue)
}

/// Allocates memory that begins with a `T`.
fn allocate<T>(node: NodeId, layout: Layout) -> Option<NonNull<T>> {
    heap::allocate(node, layout).map(NonNull::cast)
}

/// Frees a queue.
///
/// # Safety
/// Nothing uses the queue, and no CPU is about to read it from a table.
unsafe fn free_queue(queue: &'static BlockQueue) {
    BY_NUMBER[queue.first_state as usize >> TAG_BITS].clear();
    if let Some((layout, _)) = layout(queue.depth) {
        // SAFETY: `create_queue` has allocated the memory with this layout. By `# Safety` nothing uses it.
        unsafe { heap::free(NonNull::from(queue).cast(), layout) };
    }
}

/// Frees a device and its queues.
///
/// # Safety
/// Nothing uses the device or a queue of it, and no CPU is about to read one from a table.
unsafe fn free(device: &'static BlockDevice) {
    let memory = NonNull::from(device);
    // SAFETY: `create` has written the device there. By `# Safety` nothing uses it, so it may be moved out.
    let device = unsafe { memory.read() };
    for queue in device.queues {
        // SAFETY: `# Safety` is the same.
        unsafe { free_queue(queue) };
    }
    // SAFETY: `create` has allocated the memory with this layout, and the device was moved out of it.
    unsafe { heap::free(memory.cast(), Layout::new::<BlockDevice>()) };
}
