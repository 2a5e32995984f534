//! The functions `Done` that were found to be code, and whose code each is.
use crate::cpu::code_mark::{CodeKind, CodeMark};
use crate::memory::page_tables;
use crate::threads::owner::Owner;
use crate::threads::owners;
use crate::threads::used_kinds::UsedKind;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};
use node_heap::OWNERS;
use protection_keys::Key;
use units::VirtAddr;

/// No function is at this address, and no failed read returns it.
const NO_FUNCTION: usize = usize::MAX - 1;
/// How many functions of each driver are known at a time.
const KNOWN_OF_EACH: usize = 4;

/// A function `Done`. The mark is the first field, so that its address takes no addition.
#[repr(C)]
pub struct KnownDone {
    /// What a CPU is marked with that runs the function.
    pub mark: CodeMark,
    /// Its address, or [`NO_FUNCTION`]. Another function of the same driver may take its place at any time.
    pub address: AtomicUsize,
}

impl KnownDone {
    const fn none() -> Self {
        let mark = CodeMark::new(ptr::null(), CodeKind::Done);
        Self { mark, address: AtomicUsize::new(NO_FUNCTION) }
    }
}

/// What a queue knows that has called no function yet.
pub static NONE: KnownDone = KnownDone::none();

/// The known functions of each driver, by its number in the heaps.
static KNOWN: [[KnownDone; KNOWN_OF_EACH]; OWNERS] =
    [const { [const { KnownDone::none() }; KNOWN_OF_EACH] }; OWNERS];

/// The function that makes room if all of a driver's places are taken.
static NEXT: AtomicUsize = AtomicUsize::new(0);

fn known_of(owner: Option<&Owner>) -> &'static [KnownDone; KNOWN_OF_EACH] {
    &KNOWN[owner.map_or(0, |owner| owner.heap().index())]
}

/// Returns the function at this address, or `None` if it is no code, or of a driver that has failed. It takes a walk through the page tables and a search.
pub fn find(address: usize) -> Option<&'static KnownDone> {
    let at = VirtAddr(address as u64);
    page_tables::access_at(at).filter(|mapping| mapping.executable)?;
    let owner = owners::of_code(at);
    if let Some(owner) = owner {
        owner.used().note(UsedKind::Requests);
    }
    let may_be_called = || !owner.is_some_and(Owner::has_failed);
    let known = known_of(owner);
    if let Some(found) = known.iter().find(|known| known.address.load(Ordering::Acquire) == address) {
        return may_be_called().then_some(found);
    }
    let is_free = |known: &&KnownDone| known.address.load(Ordering::Relaxed) == NO_FUNCTION;
    let next = || &known[NEXT.fetch_add(1, Ordering::Relaxed) % KNOWN_OF_EACH];
    let place = known.iter().find(is_free).unwrap_or_else(next);
    place.mark.set_owner(owner.map_or(ptr::null(), ptr::from_ref).cast());
    place.mark.set_key(owner.map_or(Key::KERNEL, Owner::protection_key));
    place.address.store(address, Ordering::SeqCst);
    if !may_be_called() {
        // It may have failed since it was forgotten.
        place.address.store(NO_FUNCTION, Ordering::Relaxed);
        return None;
    }
    Some(place)
}

/// Forgets the functions of a driver that is to be unloaded, or has failed. Any code may call this.
pub fn forget(owner: &Owner) {
    for known in known_of(Some(owner)) {
        known.address.store(NO_FUNCTION, Ordering::Relaxed);
    }
}
