//! The outstanding requests of a submitter that is to be unloaded. The device may still access their memory, so they are waited for.
use super::count_down::{is_counted, is_counted_by_gate};
use super::device_list::REGISTRY;
use super::poll::poll;
use super::queue::BlockQueue;
use super::request::RequestAt;
use crate::clock;
use crate::threads::owner::Owner;
use crate::threads::sleep;
use crate::threads::used_kinds::UsedKind;
use core::ffi::c_int;
use core::sync::atomic::Ordering;

/// How long requests are waited for. The drivers of disks give a device 10 s.
const LIMIT_NS: u64 = 15_000_000_000;
/// How long to wait between two looks.
const PAUSE_NS: u64 = 1_000_000;

/// Waits until no request of this driver is outstanding. The driver submits no more, but `Done` may. Returns how
/// many are outstanding nevertheless after some seconds.
pub fn wait_for_requests_of(owner: &Owner) -> usize {
    if !owner.used().has(UsedKind::Requests) {
        return 0;
    }
    let end = clock::time_ns().saturating_add(LIMIT_NS);
    loop {
        let count = poll_those_of(owner);
        if count == 0 || clock::time_ns() > end {
            return count;
        }
        sleep::sleep_ns(PAUSE_NS);
    }
}

/// Polls each queue that has such requests: it may be that nobody else does. Returns how many there were.
fn poll_those_of(owner: &Owner) -> usize {
    let (mut count, mut from) = (0, (0, 0));
    while let Some((id, queue, found)) = next_queue_of(owner, &mut from) {
        count += found;
        poll(id, queue);
    }
    count
}

/// Returns the next queue that has such requests, as the id of its device and its index, and how many it has. `from` is where to begin: an
/// index of a device and of a queue.
fn next_queue_of(owner: &Owner, from: &mut (usize, usize)) -> Option<(c_int, c_int, usize)> {
    let registry = REGISTRY.lock();
    while let Some(entry) = registry.devices.get(from.0) {
        let queue = entry.and_then(|device| device.queues.get(from.1));
        let Some(queue) = queue else {
            *from = (from.0 + 1, 0);
            continue;
        };
        from.1 += 1;
        let is_of = |&index: &usize| is_of(owner, queue, index);
        let count = (0..queue.depth as usize).filter(is_of).count();
        if count > 0 {
            return Some((queue.id as c_int, queue.index, count));
        }
    }
    None
}

/// Returns true if the slot with this index holds a request of the driver: `Done` is its code, or it is counted down for the driver, which has
/// submitted it.
fn is_of(owner: &Owner, queue: &BlockQueue, index: usize) -> bool {
    let Some(request) = queue.slots().slots[index].held() else { return false };
    let done = RequestAt(request).done();
    if is_counted(done) || is_counted_by_gate(done) {
        return core::ptr::eq(queue.submitter(index).load(Ordering::Relaxed), owner);
    }
    owner.image().contains(&(done as u64))
}
