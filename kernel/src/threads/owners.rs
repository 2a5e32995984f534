//! The drivers that are loaded, or were. Entries are only added. A driver that is loaded again has the entry that it had before.
use super::owner::{Life, Owner, OwnerName};
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

/// Returns the owner of the driver whose image is at these addresses: the one that a driver of this name had before, or a new one. It is
/// never freed. Returns `None` if there is not enough memory, or if there are too many drivers. One thread at a time calls this.
pub fn create(name: OwnerName, addresses: Range<u64>) -> Option<&'static Owner> {
    if let Some(former) = all().find(|owner| owner.name() == name.as_str() && owner.life() == Life::Over) {
        return former.begin_again(addresses).then_some(former);
    }
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

/// Returns all drivers that are loaded or were.
pub fn all() -> impl Iterator<Item = &'static Owner> {
    let first = FIRST.get().copied();
    core::iter::successors(first, |known| known.next.get().copied()).map(|known| &known.owner)
}

/// Returns the driver whose image the address lies in. Any code may call this.
pub fn of_code(address: VirtAddr) -> Option<&'static Owner> {
    all().find(|owner| owner.image().contains(&address.0) && owner.life() != Life::Over)
}
