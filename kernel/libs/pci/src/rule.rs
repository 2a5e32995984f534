//! The rules that functions must keep, each with its fixed identifier.

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $id:literal,)*) => {
        /// The rule that a function breaks. `docs/devices.md` explains each.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &[Self] = &[$(Self::$rule,)*];

            /// Returns the identifier in the event stream. Identifiers never change.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$rule => $id,)*
                }
            }
        }
    };
}

rules! {
    /// The mapped configuration space cannot be used.
    Ecam = "pci.ecam",
    /// A function does not answer yet.
    NotReady = "pci.not-ready",
    /// A header's type is not in the specification.
    Header = "pci.header",
    /// A function asks for an interrupt pin that does not exist.
    Pin = "pci.pin",
    /// A bridge's bus numbers are no range behind it.
    BridgeBuses = "pci.bridge.buses",
    /// A bridge claims buses of another bridge or another root.
    BridgeOverlap = "pci.bridge.overlap",
    /// A bridge claims buses whose configuration space cannot be reached.
    BridgeReach = "pci.bridge.reach",
    /// A BAR's type is reserved, or a 64-bit BAR has no second half.
    BarType = "pci.bar.type",
    /// A BAR's size is impossible.
    BarSize = "pci.bar.size",
    /// Firmware has left a BAR without an address, and there is none for it.
    BarAddress = "pci.bar.address",
    /// Functions behind a bridge need a window of memory, and there is no room for it.
    BridgeWindow = "pci.bridge.window",
    /// A list of capabilities loops or leaves its place.
    Capabilities = "pci.capabilities",
    /// A list of extended capabilities loops or leaves its place.
    ExtendedCapabilities = "pci.capabilities.extended",
    /// An MSI capability is impossible.
    Msi = "pci.msi",
    /// An MSI-X capability is impossible.
    MsiX = "pci.msix",
    /// There are more functions than the kernel has room for.
    Full = "pci.full",
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn the_documented_rules_are_the_rules() {
        let page = include_str!("../../../../docs/devices.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `pci.")?.split_once("` |"));
        let documented: BTreeSet<&str> = rows.map(|(id, _)| id).collect();
        let rules: BTreeSet<&str> =
            Rule::ALL.iter().filter_map(|rule| rule.id().strip_prefix("pci.")).collect();
        assert_eq!(rules.len(), Rule::ALL.len(), "no two rules share an id");
        assert_eq!(documented, rules);
    }
}
