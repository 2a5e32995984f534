//! The way from a root bus to a function: the bridges on it, and what AML calls them.
use aml_names::{MAX_SEGMENTS, PciAddress};
use arrayvec::ArrayVec;
use pci::Function;

/// The most bridges and devices on a way that AML can name.
pub const MAX_WAY: usize = MAX_SEGMENTS;

/// Iterates over a function and the bridges above it, the nearest first. It ends at a bridge that is not found or does not lead downward.
fn up(
    function: &Function,
    find: impl Fn(pci::PciAddress) -> Option<Function>,
) -> impl Iterator<Item = Function> {
    core::iter::successors(Some(*function), move |below| {
        find(below.parent?).filter(|above| above.address.bus() < below.address.bus())
    })
}

/// Returns the root bus that the way to the function begins at.
pub fn root_bus(function: &Function, find: impl Fn(pci::PciAddress) -> Option<Function>) -> u8 {
    up(function, find).last().unwrap_or(*function).address.bus()
}

/// Returns the numbers of device and function from the root bus on, the function's own last, or `None` if AML has no paths that long.
pub fn route(
    function: &Function,
    find: impl Fn(pci::PciAddress) -> Option<Function>,
) -> Option<ArrayVec<(u8, u8), MAX_WAY>> {
    let mut route = ArrayVec::new();
    for function in up(function, find) {
        route.try_push((function.address.device(), function.address.function())).ok()?;
    }
    route.reverse();
    Some(route)
}

/// Returns true if these addresses of AML are those on this route.
pub fn is_same(addresses: &[PciAddress], route: &[(u8, u8)]) -> bool {
    let mut steps = addresses.iter().zip(route);
    addresses.len() == route.len()
        && steps.all(|(address, &(device, function))| address.includes(device, function))
}
