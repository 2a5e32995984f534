//! Which functions a driver wants.
use crate::Function;

/// What a function must be. `None` accepts anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FunctionMatch {
    /// The vendor's id.
    pub vendor: Option<u16>,
    /// The device's id.
    pub device: Option<u16>,
    /// The id of the card's vendor.
    pub subsystem_vendor: Option<u16>,
    /// The id of the card.
    pub subsystem: Option<u16>,
    /// The class, in the bits that `class_mask` has.
    pub class: u32,
    /// The bits of the class that count.
    pub class_mask: u32,
}

impl FunctionMatch {
    /// Returns true if the function is what is wanted.
    #[must_use]
    pub fn accepts(&self, function: &Function) -> bool {
        let ids = [
            (self.vendor, function.vendor),
            (self.device, function.device),
            (self.subsystem_vendor, function.subsystem_vendor),
            (self.subsystem, function.subsystem),
        ];
        ids.into_iter().all(|(wanted, found)| wanted.is_none_or(|wanted| wanted == found))
            && (function.class.0 ^ self.class) & self.class_mask == 0
    }
}
