//! Where the images of drivers are, or were, for reports of faults.
use crate::report::ForeignCode;
use crate::threads::owners;
use units::VirtAddr;

/// Returns the driver whose image the address lies in.
pub fn find(address: VirtAddr) -> Option<ForeignCode> {
    let owner = owners::of_code(address)?;
    Some(ForeignCode { driver: owner.name(), offset: address.0 - owner.image().start })
}
