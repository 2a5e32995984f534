//! Gives addresses to BARs that firmware has left without one.
//!
//! Nothing that has an address is moved. A BAR gets the lowest free addresses of the windows that lead to it: those of the host
//! bridge, and of the bridges above it. A bridge without a window of memory gets one if functions behind it need it.
//!
//! Ports are given only behind bridges that have a window of ports. On a root bus no ports are known to be free: the chipset has
//! some that no BAR shows.
use pci_types::PciAddress;

use crate::bridge_windows::{BridgeWindows, MEMORY_UNIT};
use crate::function::{BUSES, Function, Header};
use crate::reach::Reach;
use crate::taken::TakenList;
use crate::{AddressRange, Bar, BarKind, ConfigSpace, Fault, Problem, RootWindow, Space, Taken, bar};

/// BARs of this size or more do not count when a window below 4 GiB is opened: they do not fit there.
const TOO_LARGE: u64 = 1 << 31;
/// What a list of addresses in use needs for each function: six BARs, or two BARs and three windows.
pub const TAKEN_PER_FUNCTION: usize = 6;

/// Gives addresses to the BARs that have none, and reports each that gets none.
///
/// `functions` are all functions of the machine, in ascending order. `roots` are the windows of the host bridges, and `reserved` is
/// memory that is something else. `storage` needs room for [`TAKEN_PER_FUNCTION`] entries for each function, and one for each
/// reserved range. Passes each BAR that gets an address to `assigned`.
pub fn assign<T: AsRef<Function> + AsMut<Function>>(
    config: &impl ConfigSpace,
    functions: &mut [T],
    roots: &[RootWindow],
    reserved: &[AddressRange],
    storage: &mut [Taken],
    assigned: &mut dyn FnMut(PciAddress, u8, Bar),
    faults: &mut dyn FnMut(Fault),
) {
    if !lacks_addresses(functions) {
        return;
    }
    let reserved = reserved.iter().map(|&range| Taken::new(Space::Memory, range));
    let in_use = functions.iter().flat_map(|function| addresses_of(config, function.as_ref())).flatten();
    let Some(taken) = TakenList::new(storage, reserved.chain(in_use)) else { return };
    let mut assigner = Assigner { config, roots, taken, assigned, faults };
    for segment in functions.chunk_by_mut(|one, other| segment(one) == segment(other)) {
        assigner.assign_segment(segment);
    }
}

fn segment<T: AsRef<Function>>(function: &T) -> u16 {
    function.as_ref().address.segment()
}

/// Returns the BAR with this number if it has no address and may get one.
fn unassigned(function: &Function, index: usize) -> Option<Bar> {
    // An IDE controller that has not left its old mode does not use the first BARs (PCI IDE 1.0 §2.1).
    let class = function.class.0;
    let is_old_ide = class >> 8 == 0x01_01;
    let is_unused = is_old_ide && (index < 2 && class & 1 == 0 || (2..4).contains(&index) && class & 4 == 0);
    let bar = function.bars.get(index).copied().flatten()?;
    (bar.address == 0 && !is_unused).then_some(bar)
}

/// Returns true if a BAR has no address and may get one.
pub fn lacks_addresses<T: AsRef<Function>>(functions: &[T]) -> bool {
    functions
        .iter()
        .any(|function| (0..bar::MOST).any(|index| unassigned(function.as_ref(), index).is_some()))
}

/// Returns the addresses of a function's BARs and windows.
fn addresses_of(config: &impl ConfigSpace, function: &Function) -> [Option<Taken>; bar::MOST + 3] {
    let mut all = [None; bar::MOST + 3];
    for (taken, bar) in all.iter_mut().zip(function.bars.iter().flatten().filter(|bar| bar.address != 0)) {
        let range = AddressRange::of_size(bar.address, bar.size);
        *taken = range.map(|range| Taken::new(space(*bar), range));
    }
    if let Header::Bridge { secondary, .. } = function.header {
        let BridgeWindows { ports, memory, prefetchable } = BridgeWindows::read(config, function.address);
        let of = |space, range: Option<AddressRange>| {
            range.map(|range| Taken::window(space, range, function.address, secondary))
        };
        let windows = [of(Space::Ports, ports), of(Space::Memory, memory), of(Space::Memory, prefetchable)];
        all[bar::MOST..].copy_from_slice(&windows);
    }
    all
}

const fn space(bar: Bar) -> Space {
    if bar.is_memory() { Space::Memory } else { Space::Ports }
}

/// For each bus, the bridge that leads to it and must get a window of memory, and the size of the window.
type WindowSizes = [Option<(PciAddress, u64)>; 256];

/// The state of giving out addresses.
struct Assigner<'a, C> {
    config: &'a C,
    roots: &'a [RootWindow],
    taken: TakenList<'a>,
    assigned: &'a mut dyn FnMut(PciAddress, u8, Bar),
    faults: &'a mut dyn FnMut(Fault),
}

impl<C: ConfigSpace> Assigner<'_, C> {
    /// Gives addresses on the buses in ascending order: windows of bridges are open before what is behind them needs them.
    fn assign_segment<T: AsRef<Function> + AsMut<Function>>(&mut self, functions: &mut [T]) {
        let sizes = window_sizes(self.config, functions);
        let mut start = 0;
        while let Some(first) = functions.get(start) {
            let Function { address, parent, .. } = *first.as_ref();
            let rest = &functions[start..];
            let end = start + rest.partition_point(|other| other.as_ref().address.bus() == address.bus());
            let reach =
                Reach::of(self.config, (address.segment(), address.bus()), parent, &functions[..start]);
            self.assign_bus(&mut functions[start..end], &reach, &sizes);
            start = end;
        }
    }

    /// Gives addresses on a bus, the largest ranges first. All sizes are powers of two, so no gaps arise between them.
    fn assign_bus<T: AsMut<Function>>(&mut self, functions: &mut [T], reach: &Reach, sizes: &WindowSizes) {
        for exponent in (0..u64::BITS).rev() {
            let size = 1 << exponent;
            for function in &mut *functions {
                let function = function.as_mut();
                if let Header::Bridge { secondary, .. } = function.header
                    && sizes[usize::from(secondary)] == Some((function.address, size))
                {
                    self.open_window(function.address, secondary, size, reach);
                }
                for index in 0..bar::MOST {
                    if let Some(bar) = unassigned(function, index).filter(|bar| bar.size == size) {
                        self.assign_bar(function, index, bar, reach);
                    }
                }
            }
        }
    }

    /// Gives a bridge a window of memory.
    fn open_window(&mut self, bridge: PciAddress, secondary: u8, size: u64, reach: &Reach) {
        let kind = BarKind::Memory32 { prefetchable: false };
        let found = self.find_free(kind, size, reach);
        let is_open = found.is_some_and(|range| {
            self.taken.add(Taken::window(Space::Memory, range, bridge, secondary))
                && BridgeWindows::open_memory(self.config, bridge, range)
        });
        if !is_open {
            (self.faults)(Fault { function: bridge, offset: BUSES, problem: Problem::BridgeWindow { size } });
        }
    }

    fn assign_bar(&mut self, function: &mut Function, index: usize, bar: Bar, reach: &Reach) {
        let (at, number) = (function.address, index as u8);
        let result = match self.find_free(bar.kind, bar.size, reach) {
            None => Err(Problem::BarNoRoom { bar: number, size: bar.size }),
            Some(range) => {
                let placed = Bar { address: range.first, ..bar };
                let is_kept = self.taken.add(Taken::new(space(bar), range))
                    && bar::write(self.config, at, index, placed);
                if is_kept {
                    Ok(placed)
                } else {
                    Err(Problem::BarNotKept { bar: number, address: range.first })
                }
            }
        };
        match result {
            Ok(placed) => {
                function.bars[index] = Some(placed);
                (self.assigned)(at, number, placed);
            }
            Err(problem) => (self.faults)(Fault { function: at, offset: bar::offset(index), problem }),
        }
    }

    /// Finds addresses that lead to the bus, and that nothing uses.
    fn find_free(&self, kind: BarKind, size: u64, reach: &Reach) -> Option<AddressRange> {
        let space = if kind == BarKind::Io { Space::Ports } else { Space::Memory };
        let find = |within: AddressRange| self.taken.find_free(space, within, size, &reach.ancestors);
        let windows = || self.roots.iter().filter(|window| reach.is_below(window) && window.space == space);
        // Without windows of the host bridge, the addresses lead at least to a bridge whose window firmware has opened.
        let is_unknown = !reach.is_root() && windows().next().is_none();
        reach.ranges(kind).find_map(|range| {
            let within = windows().filter_map(|window| window.range.intersection(range));
            within.chain(is_unknown.then_some(range)).find_map(find)
        })
    }
}

/// Returns true if the bridge has no window of memory.
fn is_window_closed(config: &impl ConfigSpace, bridge: PciAddress) -> bool {
    BridgeWindows::read(config, bridge).memory.is_none()
}

/// Returns the windows of memory that bridges lack for the functions behind them.
fn window_sizes<T: AsRef<Function>>(config: &impl ConfigSpace, functions: &[T]) -> WindowSizes {
    let mut leads = [None; 256];
    for function in functions.iter().map(AsRef::as_ref) {
        leads[usize::from(function.address.bus())] = function.parent;
    }
    let (mut needed, mut sizes) = ([0_u64; 256], [None; 256]);
    // The functions behind a bridge come after it.
    for function in functions.iter().rev().map(AsRef::as_ref) {
        let own: u64 = (0..bar::MOST)
            .filter_map(|index| unassigned(function, index))
            .filter(|bar| bar.is_memory() && bar.size < TOO_LARGE)
            .fold(0, |sum, bar| sum.saturating_add(bar.size));
        let window = match function.header {
            Header::Bridge { secondary, .. } if leads[usize::from(secondary)] == Some(function.address) => {
                let behind = needed[usize::from(secondary)];
                let size = behind.max(MEMORY_UNIT).checked_next_power_of_two().unwrap_or(0);
                let lacks = behind > 0 && size < TOO_LARGE && is_window_closed(config, function.address);
                sizes[usize::from(secondary)] = lacks.then_some((function.address, size));
                if lacks { size } else { 0 }
            }
            _ => 0,
        };
        let sum = &mut needed[usize::from(function.address.bus())];
        *sum = sum.saturating_add(own).saturating_add(window);
    }
    sizes
}
