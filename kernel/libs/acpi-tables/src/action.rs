//! What a reader of tables does about a fault.

/// What was done about a finding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// The value was repaired, and the rest of the entry or table is used. The event stream says `mended`.
    Repaired,
    /// One entry is not used.
    Dropped,
    /// The whole table is not used.
    Refused,
}

impl Action {
    /// All actions, in ascending order.
    pub const ALL: [Self; 3] = [Self::Repaired, Self::Dropped, Self::Refused];

    /// Returns the word in the event stream. The words never change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repaired => "mended",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }
}
