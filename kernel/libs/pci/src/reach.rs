//! Which addresses lead to a bus: those that every bridge above it passes on.
use pci_types::PciAddress;

use crate::bridge_windows::BridgeWindows;
use crate::function::Function;
use crate::taken::Ancestors;
use crate::{AddressRange, BarKind, ConfigSpace, RootWindow};

/// Addresses that PCs have always used for something else: memory and ports below these are not given out.
const FIRST_MEMORY: u64 = 1 << 20;
const FIRST_PORT: u64 = 1 << 12;
/// x86 has 64 Ki ports.
const LAST_PORT: u64 = 0xffff;

/// The addresses that lead to a bus.
pub struct Reach {
    segment: u16,
    root_bus: u8,
    is_root: bool,
    windows: BridgeWindows,
    /// The bridges that lead to the bus. Their windows are no obstacles.
    pub ancestors: Ancestors,
}

impl Reach {
    /// Finds out what leads to a bus of a segment, behind the bridge `parent`. `above` has all functions on lower buses, in ascending order.
    pub fn of<T: AsRef<Function>>(
        config: &impl ConfigSpace,
        (segment, bus): (u16, u8),
        parent: Option<PciAddress>,
        above: &[T],
    ) -> Self {
        let all = Some(AddressRange::ALL);
        let mut reach = Self {
            segment,
            root_bus: bus,
            is_root: parent.is_none(),
            // No ports of a root bus are known to be free.
            windows: BridgeWindows { ports: parent.and(all), memory: all, prefetchable: all },
            ancestors: [None; 256],
        };
        let (mut behind, mut next) = (bus, parent);
        while let Some(bridge) = next {
            reach.ancestors[usize::from(behind)] = Some(bridge);
            reach.narrow(BridgeWindows::read(config, bridge), behind == bus);
            let index = above.binary_search_by_key(&bridge, |function| function.as_ref().address);
            next = index.ok().and_then(|index| above[index].as_ref().parent);
            (behind, reach.root_bus) = (bridge.bus(), bridge.bus());
        }
        reach
    }

    /// Leaves only what the bridge passes on, too. Behind the `nearest` bridge, each kind of window is for its kind of BAR. Further
    /// up, either of the bridge's two windows of memory may have both.
    fn narrow(&mut self, bridge: BridgeWindows, nearest: bool) {
        let both = |range: Option<AddressRange>, window: Option<AddressRange>| range?.intersection(window?);
        let own = &mut self.windows;
        own.ports = both(own.ports, bridge.ports);
        if nearest {
            (own.memory, own.prefetchable) = (bridge.memory, bridge.prefetchable);
        } else {
            let either = |range| both(range, bridge.memory).or_else(|| both(range, bridge.prefetchable));
            (own.memory, own.prefetchable) = (either(own.memory), either(own.prefetchable));
        }
    }

    /// Returns true if no bridge leads to the bus.
    pub const fn is_root(&self) -> bool {
        self.is_root
    }

    /// Returns true if the bus is below the host bridge of this window.
    pub const fn is_below(&self, window: &RootWindow) -> bool {
        window.segment == self.segment && window.root_bus == self.root_bus
    }

    /// Iterates over the addresses where a BAR may lie, the best ones first.
    pub fn ranges(&self, kind: BarKind) -> impl Iterator<Item = AddressRange> + use<> {
        let BridgeWindows { ports, memory, prefetchable } = self.windows;
        let (first, second, allowed) = match kind {
            BarKind::Io => (ports, None, AddressRange { first: FIRST_PORT, last: LAST_PORT }),
            BarKind::Memory32 { prefetchable: reads_are_safe } => (
                if reads_are_safe { prefetchable } else { memory },
                if reads_are_safe { memory } else { None },
                AddressRange { first: FIRST_MEMORY, last: u32::MAX.into() },
            ),
            BarKind::Memory64 { prefetchable: reads_are_safe } => (
                if reads_are_safe { prefetchable } else { memory },
                if reads_are_safe { memory } else { None },
                AddressRange { first: FIRST_MEMORY, last: u64::MAX },
            ),
        };
        [first, second].into_iter().flatten().filter_map(move |range| range.intersection(allowed))
    }
}
