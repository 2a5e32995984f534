//! The drivers that were ever loaded. Entries are only added: no address ever has two images.
use super::owner::{Owner, OwnerName};
use alloc::vec::Vec;
use core::ops::Range;
use spin::Once;
use units::VirtAddr;

/// An owner in the list.
struct Known {
    owner: Owner,
    next: Once<&'static Self>,
}

static FIRST: Once<&'static Known> = Once::new();

/// Creates the owner of the driver whose image is at these addresses. It is never freed. Returns `None` if there is not enough
/// memory, or if there are too many drivers.
pub fn create(name: OwnerName, addresses: Range<u64>) -> Option<&'static Owner> {
    let mut entry = Vec::new();
    entry.try_reserve_exact(1).ok()?;
    entry.push(Known { owner: Owner::new(name, addresses)?, next: Once::new() });
    let entry = entry.leak().first()?;
    let mut end = &FIRST;
    // If another thread has taken the end meanwhile, the entry goes behind that one.
    loop {
        let there = *end.call_once(|| entry);
        if core::ptr::eq(there, entry) {
            return Some(&entry.owner);
        }
        end = &there.next;
    }
}

/// Returns the driver whose image the address lies in, or lay. Any code may call this.
pub fn of_code(address: VirtAddr) -> Option<&'static Owner> {
    let mut next = &FIRST;
    while let Some(known) = next.get() {
        if known.owner.image().contains(&address.0) {
            return Some(&known.owner);
        }
        next = &known.next;
    }
    None
}
