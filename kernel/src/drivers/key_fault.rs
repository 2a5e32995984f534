//! Writes of drivers that protection keys forbid, but that are right after all.
use crate::arch::{self, Frame};
use crate::memory::{page_tables, protection};
use crate::threads::owner::Owner;
use crate::threads::{owners, whose_code};
use protection_keys::Rights;
use units::VirtAddr;

/// Makes the CPU repeat a write that its rights have forbidden, if the driver may write there. Returns false if it may not.
///
/// A CPU may have cached the key that a page had before it was granted. And a driver whose function runs in a call of its interface
/// writes its own memory, with the rights of the driver that has called it: from then on, the code has the rights of both.
pub fn is_allowed(frame: &mut Frame) -> bool {
    if frame.rights == Rights::KERNEL || !arch::is_key_violation(frame) {
        return false;
    }
    let Some(address) = arch::fault_address(frame) else { return false };
    let Some(mapping) = page_tables::access_at(address).filter(|mapping| mapping.writable) else {
        return false;
    };
    if frame.rights.allow(mapping.key) {
        arch::flush_translation(address);
        return true;
    }
    let code = owners::of_code(VirtAddr(frame.instruction_pointer)).map(Owner::protection_key);
    let user = whose_code::calling_driver().map(Owner::protection_key);
    let is_in_interface =
        code == Some(mapping.key) && user.is_some_and(|user| protection::is_user(mapping.key, user));
    if is_in_interface {
        frame.rights = frame.rights.and(Rights::of(mapping.key));
    }
    is_in_interface
}
