//! Properties that hold for any configuration space.
use core::cell::Cell;

use super::*;
use crate::{
    AddressRange, Bar, ConfigPart, ConfigSpace, RootWindow, Rule, Space, TAKEN_PER_FUNCTION, Taken, assign,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// The most accesses to one function: its header, its BARs, and both lists.
const MOST_ACCESSES: u64 = 16 + 4 * 6 + 2 + 3 * 48 + 960;

/// The most accesses that giving addresses takes for one function, on a machine with few buses.
const MOST_TO_ASSIGN: u64 = 10 * 6 + 4 * 6;

/// A device that answers each read with something else.
struct Liar {
    state: Cell<u64>,
    reads: Cell<u64>,
}

impl ConfigSpace for Liar {
    fn has_extended_registers(&self) -> bool {
        true
    }

    fn read(&self, _: PciAddress, _: u16) -> u32 {
        self.reads.set(self.reads.get() + 1);
        let state = self.state.get().wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        self.state.set(state);
        (state >> 32) as u32
    }

    fn write_part(&self, _: PciAddress, _: ConfigPart, _: u32) {}

    fn write(&self, _: PciAddress, _: u16, _: u32) {}
}

/// Checks what holds for whatever was found.
fn check(found: &[Function], faults: &[Fault]) {
    assert!(found.windows(2).all(|pair| pair[0].address < pair[1].address), "ascending, each once");
    for function in found {
        if let Some(parent) = function.parent {
            assert!(parent.bus() < function.address.bus());
            assert!(found.iter().any(|bridge| bridge.address == parent));
        }
        for bar in function.bars.iter().flatten() {
            assert!(bar.size.is_power_of_two() && bar.address.is_multiple_of(bar.size));
        }
        if let Some(msi_x) = function.msi_x {
            let bar = function.bars[usize::from(msi_x.table.bar)].expect("the table is in a BAR");
            assert!(u64::from(msi_x.table.offset) + u64::from(msi_x.vectors) * 16 <= bar.size);
        }
    }
    for fault in faults {
        assert!(Rule::ALL.contains(&fault.problem.rule()));
        let text = alloc::format!("{fault}");
        assert!(text.len() < 160 && !text.contains('\n'), "{text}");
    }
}

fn run(config: &impl ConfigSpace, reachable: BusSet) -> (Vec<Function>, Vec<Fault>) {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    let roots = BusSet::EMPTY;
    scan(config, 0, reachable, roots, &mut |function| found.push(function), &mut |fault| faults.push(fault));
    check(&found, &faults);
    (found, faults)
}

/// Gives addresses to BARs that have none, and checks that none lies where it must not.
fn give_addresses(config: &impl ConfigSpace, functions: &mut [Function]) {
    let window = RootWindow { segment: 0, root_bus: 0, space: Space::Memory, range: AddressRange::ALL };
    let reserved = AddressRange { first: 0, last: 0x8000_0000 };
    let mut storage = alloc::vec![Taken::EMPTY; TAKEN_PER_FUNCTION * functions.len() + 1];
    let mut check = |_, _, bar: Bar| {
        assert!(bar.address.is_multiple_of(bar.size) && (!bar.is_memory() || bar.address > reserved.last));
    };
    let mut faults = |fault: Fault| assert!(Rule::ALL.contains(&fault.problem.rule()));
    assign(config, functions, &[window], &[reserved], &mut storage, &mut check, &mut faults);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }))]

    #[test]
    fn any_functions_are_scanned_to_the_end_and_restored(
        functions in vec((0..4_u8, 0..4_u8, 0..8_u8, vec(any::<u8>(), 0..600)), 0..12),
    ) {
        let mut model = Model::default();
        for (bus, slot, number, mut bytes) in functions {
            // Most have a header that exists, and a list.
            if bytes.len() > 40 && bytes[0] % 8 != 0 {
                bytes[28] &= 0x81;
                bytes[10] |= 0x10;
            }
            model.insert(at(bus, slot, number), Registers::from_bytes(&bytes));
        }
        let before: Vec<_> = model.functions().collect();
        let (mut found, faults) = run(&model, BusSet::ALL);
        prop_assert!(model.accesses() <= 256 * 32 + 8 * 16 + before.len() as u64 * MOST_ACCESSES);
        prop_assert!(faults.len() <= 16 * before.len());
        prop_assert!(found.len() <= before.len());
        prop_assert!(model.functions().eq(before), "every register is restored");
        let scanned = model.accesses();
        give_addresses(&model, &mut found);
        prop_assert!(model.accesses() - scanned <= found.len() as u64 * MOST_TO_ASSIGN);
    }

    #[test]
    fn bytes_of_the_fuzzer_are_scanned_to_the_end(bytes in vec(any::<u8>(), 0..4000)) {
        run(&Model::from_bytes(&bytes), BusSet::ALL);
    }

    #[test]
    fn a_device_that_changes_its_mind_does_not_hold_up_the_scan(state in any::<u64>()) {
        let liar = Liar { state: Cell::new(state), reads: Cell::new(0) };
        let mut reachable = BusSet::EMPTY;
        reachable.insert_all(0..=1);
        let (mut found, _) = run(&liar, reachable);
        prop_assert!(liar.reads.get() <= 2 * 32 * 8 * MOST_ACCESSES);
        found.iter_mut().flat_map(|function| &mut function.bars).flatten().for_each(|bar| bar.address = 0);
        liar.reads.set(0);
        give_addresses(&liar, &mut found);
        prop_assert!(liar.reads.get() <= found.len() as u64 * MOST_TO_ASSIGN);
    }
}
