//! Protection of memory: each page of a driver has the driver's key, and all others that of the kernel. While a driver's code runs, it can
//! write only pages that its CPU's rights allow (docs/protection.md).
//!
//! Physical memory is mapped with large pages, which are split where drivers have pages. They stay split.
use super::{heap_nodes, page_tables};
use crate::arch::{self, InterruptsOff};
use crate::cpu::{self, PreemptionOff, code_mark};
use crate::platform::numa_topology;
use crate::sync::{Rank, SpinLock};
use ::address_space::layout::PHYSICAL_MEMORY;
use core::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use protection_keys::{GivenBack, Key, KeyTable};
use units::{FRAME_SIZE, FrameNumber, VirtAddr};

/// True if keys protect memory.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// The keys that drivers have.
static KEYS: SpinLock<KeyTable, PreemptionOff> = SpinLock::new(Rank::Keys, KeyTable::new());

/// For each key, the keys of the drivers that use an interface of its driver: bit n for key n.
static USERS: [AtomicU16; 16] = [const { AtomicU16::new(0) }; 16];

/// The most page tables that are missing for the parts of a large page.
const MOST_TABLES: u64 = 2;

/// Begins to protect memory if `is_wanted`, and if the CPU has keys. Says in the log what it does. The boot CPU calls this before it allocates
/// its own stacks, and before any other CPU starts.
pub fn init(is_wanted: bool) {
    if !is_wanted {
        log::info!(target: "protection", "off: drivers can write all memory");
        return;
    }
    if !arch::has_keys() {
        log::info!(target: "protection", "the CPU has no keys for supervisor pages: drivers can write all memory");
        return;
    }
    // SAFETY: boot calls this before any other CPU starts.
    unsafe { arch::lead_calls_to(code_mark::gate, &InterruptsOff::new()) };
    arch::key_interrupts();
    // A page of a heap keeps its driver's key until it is unmapped.
    heap_nodes::unmap_frames_of_drivers();
    IS_ON.store(true, Ordering::Relaxed);
    log::info!(target: "protection", "on, {} drivers have keys of their own", Key::OWN);
}

/// Returns true if keys protect memory.
#[inline(always)]
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Takes a key for a driver. Without protection it is the kernel's.
pub fn take_key() -> Key {
    if !is_on() {
        return Key::KERNEL;
    }
    let key = KEYS.lock().take();
    if key == Key::SHARED {
        static IS_LOGGED: AtomicBool = AtomicBool::new(false);
        if !IS_LOGGED.swap(true, Ordering::Relaxed) {
            log::warn!(target: "protection", "more drivers than keys: from now on, drivers share one");
        }
    }
    key
}

/// Takes back the key of a driver that has no memory any more.
pub fn give_back_key(key: Key) {
    if key == Key::KERNEL {
        return;
    }
    let given_back = KEYS.lock().give_back(key);
    if given_back == GivenBack::Unused {
        USERS[usize::from(key.number())].store(0, Ordering::Relaxed);
        USERS.iter().for_each(|users| _ = users.fetch_and(!(1 << key.number()), Ordering::Relaxed));
    }
}

/// Makes all pages of physical memory the kernel's that have this key. Their driver has ended. While other drivers share the key, this does
/// nothing: such pages can still be written by these drivers.
pub fn take_all_frames(key: Key) {
    if key == Key::KERNEL || key == Key::SHARED && KEYS.lock().is_shared() {
        return;
    }
    for range in numa_topology::get().ranges() {
        let address = |physical: u64| VirtAddr(PHYSICAL_MEMORY.0 + physical);
        let range = (address(range.range.start.0), address(range.range.end.0 - 1));
        arch::replace_key(range, key, Key::KERNEL);
    }
}

/// Notes that a driver with the key `user` uses an interface of a driver with the key `publisher`.
pub fn note_user(publisher: Key, user: Key) {
    USERS[usize::from(publisher.number())].fetch_or(1 << user.number(), Ordering::Relaxed);
}

/// Returns true if a driver with the key `user` uses, or has used, an interface of a driver with the key `publisher`.
pub fn is_user(publisher: Key, user: Key) -> bool {
    USERS[usize::from(publisher.number())].load(Ordering::Relaxed) & 1 << user.number() != 0
}

/// Returns true if a driver with the key `own` may have the kernel write a page with this key: it is a page of its own, of a call stack, or of
/// a driver whose interface it uses.
pub fn may_write(own: Key, page: Key) -> bool {
    page == own || page == Key::CALL_STACKS || page != Key::KERNEL && is_user(page, own)
}

/// Gives `pages` pages of 4 KiB from `start` on, which are mapped, another key. The kernel's is `Key::KERNEL`.
pub fn set_key(start: VirtAddr, pages: u64, key: Key) {
    for page in 0..pages {
        // A page that is not mapped has no key.
        let _ = arch::set_key(VirtAddr(start.0 + page * FRAME_SIZE), key);
    }
}

/// Makes frames a driver's, which were granted to it. Returns false, with nothing changed, if there is no memory for page tables.
pub fn give_frames(first: FrameNumber, count: u64, key: Key) -> bool {
    give_pages(address_of(first, 0), count, key)
}

/// Makes the pages a driver's in which these bytes lie, of which there is at least one. All that is in the pages is the driver's. Returns false,
/// with nothing changed, if there is no memory for page tables.
pub fn give_bytes(start: VirtAddr, bytes: u64, key: Key) -> bool {
    let first = start.0 & !(FRAME_SIZE - 1);
    give_pages(VirtAddr(first), (start.0 - first + bytes).div_ceil(FRAME_SIZE), key)
}

fn give_pages(first: VirtAddr, count: u64, key: Key) -> bool {
    for index in 0..count {
        if !give_page(page_after(first, index), key) {
            take_pages(first, index);
            return false;
        }
    }
    true
}

#[inline]
fn give_page(page: VirtAddr, key: Key) -> bool {
    arch::set_key(page, key).is_ok() || split_and_give(page, key)
}

/// Splits a large page of physical memory, and gives one of its parts the key.
#[cold]
#[inline(never)]
fn split_and_give(page: VirtAddr, key: Key) -> bool {
    while arch::set_key(page, key).is_err() {
        let node = cpu::current().node;
        if !page_tables::split_at(page, node, MOST_TABLES) {
            return false;
        }
    }
    true
}

/// Makes frames the kernel's. CPUs other than the running one may use translations that they have cached: a driver may write the frames that it
/// had, until these CPUs flush them.
pub fn take_frames(first: FrameNumber, count: u64) {
    take_pages(address_of(first, 0), count);
}

fn take_pages(first: VirtAddr, count: u64) {
    for index in 0..count {
        let page = page_after(first, index);
        // A page in a large one is the kernel's.
        let _ = arch::set_key(page, Key::KERNEL);
        arch::flush_translation(page);
    }
}

/// Makes frames the kernel's as [`take_frames`] does, if all of them have the key. Otherwise returns false, with nothing changed.
pub fn take_frames_with(first: FrameNumber, count: u64, key: Key) -> bool {
    for index in 0..count {
        let page = address_of(first, index);
        if !arch::exchange_key(page, key, Key::KERNEL) {
            give_frames(first, index, key);
            return false;
        }
        arch::flush_translation(page);
    }
    true
}

/// Returns where a frame behind the first one is mapped. What is no frame is mapped nowhere.
fn address_of(first: FrameNumber, index: u64) -> VirtAddr {
    page_after(VirtAddr(PHYSICAL_MEMORY.0.wrapping_add(first.0.wrapping_mul(FRAME_SIZE))), index)
}

fn page_after(first: VirtAddr, index: u64) -> VirtAddr {
    VirtAddr(first.0.wrapping_add(index.wrapping_mul(FRAME_SIZE)))
}
