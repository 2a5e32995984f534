//! Where the images of drivers are, or were, for reports of faults.
use super::files;
use crate::report::ForeignCode;
use crate::threads::owners;
use units::VirtAddr;

/// Returns the driver whose image the address lies in.
pub fn find(address: VirtAddr) -> Option<ForeignCode> {
    let owner = owners::of_code(address)?;
    let offset = address.0 - owner.image().start;
    Some(ForeignCode { driver: owner.name(), offset, file: files::find(owner.name()) })
}
