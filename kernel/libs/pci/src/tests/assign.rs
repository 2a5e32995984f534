//! Tests of giving addresses to BARs.
use super::*;
use crate::{AddressRange, Bar, BarKind, RootWindow, Space, TAKEN_PER_FUNCTION, Taken, assign};
use proptest::collection::vec;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;
const NON_PREFETCHABLE: BarKind = BarKind::Memory32 { prefetchable: false };
/// The windows of the root bus: memory below and above 4 GiB, and ports.
const LOW: AddressRange = range(0x8000_0000, 0x8fff_ffff);
const HIGH: AddressRange = range(0x40_0000_0000, 0x4f_ffff_ffff);
/// What no BAR may get.
const RESERVED: AddressRange = range(0x8000_0000, 0x800f_ffff);

const fn range(first: u64, last: u64) -> AddressRange {
    AddressRange { first, last }
}

fn root_windows() -> Vec<RootWindow> {
    let window = |space, range| RootWindow { segment: 0, root_bus: 0, space, range };
    [window(Space::Memory, LOW), window(Space::Memory, HIGH), window(Space::Ports, range(0, 0xffff))].into()
}

/// The type bits of a BAR's register.
const fn type_bits(kind: BarKind) -> u32 {
    match kind {
        BarKind::Io => 1,
        BarKind::Memory32 { prefetchable } => (prefetchable as u32) << 3,
        BarKind::Memory64 { prefetchable } => 4 | (prefetchable as u32) << 3,
    }
}

/// Adds a BAR to a function.
fn with_bar(registers: Registers, index: u16, Bar { kind, address, size }: Bar) -> Registers {
    let offset = 0x10 + 4 * index;
    let writable = !(size - 1);
    let low = registers.with(offset, address as u32 | type_bits(kind), writable as u32);
    match kind {
        BarKind::Memory64 { .. } => low.with(offset + 4, (address >> 32) as u32, (writable >> 32) as u32),
        _ => low,
    }
}

fn with_bars(bars: &[(u16, Bar)]) -> Registers {
    bars.iter().fold(device(), |registers, &(index, bar)| with_bar(registers, index, bar))
}

fn unplaced(kind: BarKind, size: u64) -> Bar {
    Bar { kind, address: 0, size }
}

/// Returns a bridge with these windows: memory and prefetchable memory in MiB, ports in units of 4096.
fn bridge(
    buses: (u8, u8),
    memory: Option<(u64, u64)>,
    wide: Option<(u64, u64)>,
    ports: Option<(u16, u16)>,
) -> Registers {
    let (base, limit) = memory.unwrap_or((0xfff, 0));
    let (wide_base, wide_limit) = wide.unwrap_or((0xfff, 0));
    let (port_base, port_limit) = ports.unwrap_or((0xf, 0));
    let register = |base: u64, limit: u64| ((limit & 0xfff) << 20 | (base & 0xfff) << 4) as u32;
    Registers::bridge(buses.0, buses.1)
        .with(0x1c, u32::from(port_limit) << 12 | u32::from(port_base) << 4, 0xf0f0)
        .with(0x20, register(base, limit), 0xfff0_fff0)
        .with(0x24, register(wide_base, wide_limit) | 0x0001_0001, 0xfff0_fff0)
        .with(0x28, (wide_base >> 12) as u32, u32::MAX)
        .with(0x2c, (wide_limit >> 12) as u32, u32::MAX)
}

/// A BAR that got an address: where, its number, the address.
type Placed = (PciAddress, u8, u64);

/// Gives addresses on this machine. Checks that the functions say what a second scan finds.
#[track_caller]
fn assign_on(model: &Model, roots: &[RootWindow]) -> (Vec<Placed>, Vec<Reported>) {
    let mut functions = scan_all(model).0;
    let mut storage = alloc::vec![Taken::EMPTY; TAKEN_PER_FUNCTION * functions.len() + 1];
    let (mut placed, mut reported) = (Vec::new(), Vec::new());
    assign(
        model,
        &mut functions,
        roots,
        &[RESERVED],
        &mut storage,
        &mut |function, bar, placement: Bar| placed.push((function, bar, placement.address)),
        &mut |fault| reported.push((fault.function, fault.offset, fault.problem.rule().id())),
    );
    assert_eq!(scan_all(model).0, functions, "the registers say the same");
    (placed, reported)
}

#[track_caller]
fn assert_placed(functions: impl IntoIterator<Item = (PciAddress, Registers)>, expected: &[Placed]) {
    assert_eq!(assign_on(&model(functions), &root_windows()), (expected.to_vec(), Vec::new()));
}

#[test]
fn a_bar_gets_the_lowest_free_addresses_and_the_largest_come_first() {
    let taken = Bar { kind: NON_PREFETCHABLE, address: 0x8010_0000, size: MIB };
    let one = with_bars(&[
        (0, unplaced(NON_PREFETCHABLE, 0x1000)),
        (1, taken),
        (2, unplaced(NON_PREFETCHABLE, MIB)),
    ]);
    let two = with_bars(&[(0, unplaced(BarKind::Memory64 { prefetchable: true }, 2 * MIB))]);
    assert_placed(
        [(at(0, 1, 0), one), (at(0, 2, 0), two)],
        &[(at(0, 2, 0), 0, 0x8020_0000), (at(0, 1, 0), 2, 0x8040_0000), (at(0, 1, 0), 0, 0x8050_0000)],
    );
}

#[test]
fn only_64_bit_bars_go_above_4_gib() {
    let large = |prefetchable| with_bars(&[(0, unplaced(BarKind::Memory64 { prefetchable }, 1 << 30))]);
    assert_placed([(at(0, 1, 0), large(true))], &[(at(0, 1, 0), 0, 0x40_0000_0000)]);
    assert_placed([(at(0, 1, 0), large(false))], &[(at(0, 1, 0), 0, 0x40_0000_0000)]);
    let narrow = with_bars(&[(2, unplaced(NON_PREFETCHABLE, 1 << 30))]);
    let (placed, reported) = assign_on(&model([(at(0, 1, 0), narrow)]), &root_windows());
    assert_eq!((placed, reported), (Vec::new(), Vec::from([(at(0, 1, 0), 0x18, "pci.bar.address")])));
}

#[test]
fn without_a_window_nothing_is_given() {
    let functions = [(at(0, 1, 0), with_bars(&[(0, unplaced(NON_PREFETCHABLE, 0x1000))]))];
    let model = model(functions);
    let before: Vec<_> = model.functions().collect();
    let other_bus = [RootWindow { root_bus: 1, ..root_windows()[0] }];
    let other_segment = [RootWindow { segment: 1, ..root_windows()[0] }];
    for roots in [&[][..], &other_bus, &other_segment, &root_windows()[2..]] {
        let expected = Vec::from([(at(0, 1, 0), 0x10, "pci.bar.address")]);
        assert_eq!(assign_on(&model, roots), (Vec::new(), expected));
    }
    assert!(model.functions().eq(before));
}

#[test]
fn behind_a_bridge_addresses_come_from_its_windows() {
    let bars = with_bars(&[
        (0, unplaced(NON_PREFETCHABLE, 0x1000)),
        (1, unplaced(BarKind::Io, 0x20)),
        (2, unplaced(BarKind::Memory64 { prefetchable: true }, 0x1000)),
        (4, unplaced(BarKind::Memory32 { prefetchable: true }, 0x2000)),
    ]);
    // The window of prefetchable memory is above 4 GiB, where a BAR of 32 bits does not reach.
    let port = bridge((1, 1), Some((0x851, 0x851)), Some((0x4_0000, 0x4_0000)), Some((0xc, 0xc)));
    let expected = [
        (at(1, 3, 0), 4, 0x8510_0000),
        (at(1, 3, 0), 0, 0x8510_2000),
        (at(1, 3, 0), 2, 0x40_0000_0000),
        (at(1, 3, 0), 1, 0xc000),
    ];
    // Memory with the numbers of the ports is no obstacle.
    let low = with_bars(&[(0, Bar { kind: NON_PREFETCHABLE, address: 0xc000, size: 0x1000 })]);
    let functions = || [(at(0, 1, 0), port.clone()), (at(0, 2, 0), low.clone()), (at(1, 3, 0), bars.clone())];
    assert_placed(functions(), &expected);
    // Where the host bridge's windows are not known, the bridge's are enough.
    assert_eq!(assign_on(&model(functions()), &[]), (expected.to_vec(), Vec::new()));
}

#[test]
fn other_bridges_windows_are_left_free() {
    let bar = || with_bars(&[(0, unplaced(NON_PREFETCHABLE, 0x1000))]);
    // The first bridge's window is all but the last MiB of the second's.
    let functions = [
        (at(0, 1, 0), bridge((1, 2), Some((0x800, 0x8fe)), None, None)),
        (at(0, 2, 0), bar()),
        (at(1, 0, 0), bridge((2, 2), Some((0x801, 0x801)), None, None)),
        (at(1, 1, 0), bar()),
        (at(2, 0, 0), bar()),
    ];
    let expected =
        [(at(0, 2, 0), 0, 0x8ff0_0000), (at(1, 1, 0), 0, 0x8020_0000), (at(2, 0, 0), 0, 0x8010_0000)];
    assert_placed(functions, &expected);
}

#[test]
fn a_closed_window_is_opened_through_all_bridges_above() {
    let functions = [
        (at(0, 1, 0), bridge((1, 2), None, None, None)),
        (at(1, 0, 0), bridge((2, 2), None, None, None)),
        (at(1, 1, 0), with_bars(&[(0, unplaced(NON_PREFETCHABLE, 2 * MIB))])),
        (
            at(2, 0, 0),
            with_bars(&[(0, unplaced(NON_PREFETCHABLE, MIB)), (1, unplaced(NON_PREFETCHABLE, 0x1000))]),
        ),
    ];
    let model = model(functions);
    // 2 MiB, and 1 MiB + 4 KiB: 4 MiB in all, of which the inner bridge has 2.
    let expected =
        [(at(1, 1, 0), 0, 0x8060_0000), (at(2, 0, 0), 0, 0x8040_0000), (at(2, 0, 0), 1, 0x8050_0000)];
    assert_eq!(assign_on(&model, &root_windows()), (expected.to_vec(), Vec::new()));
    let window = |wanted| model.functions().find(|(at, _)| *at == wanted).unwrap().1.get(0x20);
    assert_eq!([window(at(0, 1, 0)), window(at(1, 0, 0))], [0x8070_8040, 0x8050_8040]);
}

#[test]
fn a_window_without_room_is_reported_and_so_is_what_is_behind() {
    let functions = [
        (at(0, 1, 0), bridge((1, 1), None, None, None)),
        (at(1, 0, 0), with_bars(&[(0, unplaced(NON_PREFETCHABLE, 0x1000_0000))])),
    ];
    let expected = [(at(0, 1, 0), 0x18, "pci.bridge.window"), (at(1, 0, 0), 0x10, "pci.bar.address")];
    assert_eq!(assign_on(&model(functions), &root_windows()), (Vec::new(), expected.to_vec()));
}

#[test]
fn ports_of_a_root_bus_and_bars_of_old_ide_controllers_are_left_alone() {
    let ports = with_bars(&[(0, unplaced(BarKind::Io, 0x20))]);
    let (placed, reported) = assign_on(&model([(at(0, 1, 0), ports)]), &root_windows());
    assert_eq!((placed, reported), (Vec::new(), Vec::from([(at(0, 1, 0), 0x10, "pci.bar.address")])));
    for (interface, offsets) in [(0x80, &[][..]), (0x81, &[0x10]), (0x84, &[0x18]), (0x85, &[0x10, 0x18])] {
        let ide = Registers::new(0x8086, 0x7010, 0x01_01_00 | interface);
        let ide = with_bar(with_bar(ide, 0, unplaced(BarKind::Io, 8)), 2, unplaced(BarKind::Io, 8));
        let reported = assign_on(&model([(at(0, 1, 0), ide)]), &root_windows()).1;
        assert!(
            reported.iter().map(|fault| fault.1).eq(offsets.iter().copied()),
            "{interface:#x} {reported:?}"
        );
    }
}

/// A function of any machine: where, its BARs as (index, kind, bits of the size, address in its window or none), and windows.
type AnyFunction = (u8, u8, Vec<(u16, u8, u32, Option<u64>)>, [Option<(u64, u64)>; 3]);

fn any_function() -> impl Strategy<Value = AnyFunction> {
    let bar = (0..6_u16, 0..5_u8, 4..28_u32, proptest::option::of(0..0x1000_u64));
    let window = || proptest::option::weighted(0.7, (0..0x100_u64, 0..0x20_u64));
    (0..5_u8, 0..8_u8, vec(bar, 0..3), [window(), window(), window()])
}

/// Builds a machine: on each bus, slot 0 may be a bridge to the next bus.
fn any_model(functions: Vec<AnyFunction>) -> Model {
    let mut model = Model::default();
    for (bus, slot, bars, [memory, wide, ports]) in functions {
        let mut registers = if slot == 0 && bus < 4 {
            let memory = memory.map(|(first, more)| (0x800 + first, 0x800 + first + more));
            let wide = wide.map(|(first, more)| (0x4_0000 + first, 0x4_0000 + first + more));
            let ports =
                ports.map(|(first, more)| ((first % 15) as u16 + 1, ((first + more) % 15) as u16 + 1));
            bridge((bus + 1, 4), memory, wide, ports)
        } else {
            device()
        };
        let count = if slot == 0 { 2 } else { 6 };
        for (index, kind, bits, address) in bars {
            let kind = match kind {
                0 => BarKind::Io,
                1 => NON_PREFETCHABLE,
                2 => BarKind::Memory32 { prefetchable: true },
                3 => BarKind::Memory64 { prefetchable: false },
                _ => BarKind::Memory64 { prefetchable: true },
            };
            let size = if kind == BarKind::Io { 1 << (bits % 5 + 4) } else { 1_u64 << bits };
            let start = if kind == BarKind::Io { 0x1000 } else { LOW.first };
            let address = address.map_or(0, |units| (start + units * 0x8_0000 % 0x1000_0000) & !(size - 1));
            let address = if kind == BarKind::Io { address & 0xffff } else { address };
            // A BAR of 64 bits is two registers, and takes the place of what was there.
            let index = if matches!(kind, BarKind::Memory64 { .. }) { index & !1 } else { index };
            if index < count {
                registers = with_bar(registers, index, Bar { kind, address, size });
            }
        }
        model.insert(at(bus, slot, 0), registers);
    }
    model
}

fn overlap(one: AddressRange, other: AddressRange) -> bool {
    one.intersection(other).is_some()
}

/// Returns the windows of a bridge of a model, each with what it is for.
fn windows_of(registers: &Registers) -> [(Space, Option<AddressRange>); 3] {
    let model = model([(at(0, 0, 0), registers.clone())]);
    let windows = crate::bridge_windows::BridgeWindows::read(&model, at(0, 0, 0));
    [(Space::Ports, windows.ports), (Space::Memory, windows.memory), (Space::Memory, windows.prefetchable)]
}

fn space_of(bar: Bar) -> Space {
    if bar.is_memory() { Space::Memory } else { Space::Ports }
}

fn range_of(bar: Bar) -> AddressRange {
    AddressRange::of_size(bar.address, bar.size).unwrap()
}

/// Checks everything that must hold of a machine whose BARs got addresses.
fn check(before: &[Function], after: &[Function], model: &Model, old: &[(PciAddress, Registers)]) {
    let registers: Vec<_> = model.functions().collect();
    let of = |list: &[(PciAddress, Registers)], address| {
        list.iter().find(|(at, _)| *at == address).unwrap().1.clone()
    };
    let bars = |functions: &[Function]| -> Vec<(Function, usize, Bar)> {
        let all = functions.iter().flat_map(|function| {
            (0..6).filter_map(move |index| Some((*function, index, function.bars[index]?)))
        });
        all.filter(|(_, _, bar)| bar.address != 0).collect()
    };
    let (assigned, all) = (bars(before), bars(after));
    for (function, index, bar) in assigned.iter().copied() {
        assert!(all.contains(&(after_of(after, function.address), index, bar)), "{bar} has moved");
    }
    for &(function, index, bar) in &all {
        if assigned.iter().any(|(other, number, _)| other.address == function.address && *number == index) {
            continue;
        }
        let own = range_of(bar);
        assert!(bar.address.is_multiple_of(bar.size) && !(bar.is_memory() && overlap(own, RESERVED)));
        let is_32_bit = !matches!(bar.kind, BarKind::Memory64 { .. });
        assert!(!is_32_bit || own.last <= u64::from(u32::MAX), "{bar}");
        for &(other, number, taken) in &all {
            let is_same = other.address == function.address && number == index;
            assert!(
                is_same || space_of(taken) != space_of(bar) || !overlap(own, range_of(taken)),
                "{bar} and {taken}"
            );
        }
        // In a window of each bridge above, and of the host bridge; in no window of another bridge.
        let (mut above, mut next) = (Vec::new(), function.parent);
        while let Some(parent) = next {
            above.push(parent);
            next = after_of(after, parent).parent;
        }
        for bridge in after.iter().filter(|other| matches!(other.header, crate::Header::Bridge { .. })) {
            let windows = windows_of(&of(&registers, bridge.address));
            let mut windows = windows.into_iter().filter(|(space, _)| *space == space_of(bar));
            if above.contains(&bridge.address) {
                assert!(
                    windows.any(|(_, window)| window.is_some_and(|window| window.contains(own))),
                    "{bar}"
                );
            } else {
                assert!(
                    !windows.any(|(_, window)| window.is_some_and(|window| overlap(window, own))),
                    "{bar}"
                );
            }
        }
        // The windows of other host bridges are not known.
        if above.last().map_or(function.address.bus(), PciAddress::bus) != 0 {
            continue;
        }
        let mut roots = root_windows().into_iter().filter(|window| window.space == space_of(bar));
        assert!(roots.any(|window| window.range.contains(own)), "{bar} is below no host bridge");
    }
    for (address, new) in &registers {
        let old = of(old, *address);
        for offset in (0..256).step_by(4) {
            if old.get(offset) == new.get(offset) {
                continue;
            }
            let function = after_of(after, *address);
            let is_new_bar = |index: usize| {
                before
                    .iter()
                    .any(|old| old.address == *address && old.bars[index].is_some_and(|bar| bar.address == 0))
                    && function.bars[index].is_some_and(|bar| bar.address != 0)
            };
            let index = (usize::from(offset).wrapping_sub(0x10)) / 4;
            let is_bar =
                (0x10..0x28).contains(&offset) && (is_new_bar(index) || index > 0 && is_new_bar(index - 1));
            let is_opened = offset == 0x20 && windows_of(&old)[1].1.is_none();
            assert!(is_bar || is_opened, "{address} at {offset:#x}");
        }
    }
}

fn after_of(functions: &[Function], address: PciAddress) -> Function {
    *functions.iter().find(|function| function.address == address).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }))]

    #[test]
    fn each_bar_gets_free_addresses_in_all_windows_above_or_is_reported_and_nothing_else_changes(
        functions in vec(any_function(), 0..24),
    ) {
        let model = any_model(functions);
        let old: Vec<_> = model.functions().collect();
        let before = scan_all(&model).0;
        let wanted: usize = before
            .iter()
            .flat_map(|function| function.bars)
            .flatten()
            .filter(|bar| bar.address == 0)
            .count();
        let (placed, reported) = assign_on(&model, &root_windows());
        let reported = reported.iter().filter(|fault| fault.2 == "pci.bar.address").count();
        prop_assert_eq!(placed.len() + reported, wanted);
        check(&before, &scan_all(&model).0, &model, &old);
    }
}
