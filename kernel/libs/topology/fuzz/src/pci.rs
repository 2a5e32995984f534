//! Scans a model of PCI's configuration space and checks what holds for any registers.
use std::collections::BTreeSet;

use pci::model::Model;
use pci::{AddressRange, Bar, BusSet, Fault, Function, RootWindow, Rule, Space, TAKEN_PER_FUNCTION, Taken};

/// The most accesses to look at every slot.
const SLOTS: u64 = 256 * 32;
/// The most accesses to a function: its header, its BARs, both lists of capabilities.
const FUNCTION: u64 = 1200;
/// The most faults of a function.
const FAULTS: usize = 16;

/// Scans the configuration space that these bytes describe. Two buses are known to be roots, or none is.
///
/// # Panics
/// Panics if a property does not hold.
pub fn scan(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    let mut model = Model::from_bytes(data);
    model.is_short = how & 1 != 0;
    let before: Vec<_> = model.functions().collect();
    let mut roots = BusSet::EMPTY;
    roots.insert(0);
    roots.insert(how);
    let roots = if how & 2 != 0 { roots } else { BusSet::EMPTY };
    let mut reachable = BusSet::ALL;
    if how & 4 != 0 {
        reachable = BusSet::EMPTY;
        reachable.insert_all(0..=how);
    }
    let (mut found, mut faults, mut functions) = (BTreeSet::new(), 0, Vec::new());
    let mut take = |function: Function| {
        check_function(&function, &mut found);
        functions.push(function);
    };
    pci::scan(&model, 0, reachable, roots, &mut take, &mut |fault| {
        faults += 1;
        check_fault(&fault);
    });
    // A function 0 that does not answer costs one access for its slot; each function behind one that does may cost another.
    assert!(model.accesses() <= SLOTS + 8 * before.len() as u64 + FUNCTION * before.len() as u64);
    assert!(faults <= FAULTS * before.len() && found.len() <= before.len());
    assert!(model.functions().eq(before), "every register is restored");
    give_addresses(&model, &mut functions);
}

/// Gives addresses to BARs that have none, in a window that has all memory, and checks that they do not lie where they must not.
fn give_addresses(model: &Model, functions: &mut [Function]) {
    let range = AddressRange::ALL;
    let window = RootWindow { segment: 0, root_bus: 0, space: Space::Memory, range };
    let reserved = AddressRange { first: 0, last: 0x8000_0000 };
    let mut storage = vec![Taken::EMPTY; TAKEN_PER_FUNCTION * functions.len() + 1];
    let mut check = |_, _, bar: Bar| {
        assert!(bar.address.is_multiple_of(bar.size) && (!bar.is_memory() || bar.address > reserved.last));
    };
    let mut faults = |fault: Fault| check_fault(&fault);
    pci::assign(model, functions, &[window], &[reserved], &mut storage, &mut check, &mut faults);
}

fn check_function(function: &Function, found: &mut BTreeSet<pci::PciAddress>) {
    assert!(found.last().is_none_or(|last| *last < function.address), "ascending, each once");
    if let Some(parent) = function.parent {
        assert!(found.contains(&parent) && parent.bus() < function.address.bus());
    }
    for bar in function.bars.iter().flatten() {
        assert!(bar.size.is_power_of_two() && bar.address.is_multiple_of(bar.size));
    }
    if let Some(msi_x) = function.msi_x {
        for (place, bytes) in [
            (msi_x.table, 16 * u64::from(msi_x.vectors)),
            (msi_x.pending, 8 * u64::from(msi_x.vectors).div_ceil(64)),
        ] {
            let bar = function.bars[usize::from(place.bar)].expect("the place is in a BAR");
            assert!(bar.is_memory() && u64::from(place.offset) + bytes <= bar.size);
        }
    }
    if let Some(msi) = function.msi {
        assert!(msi.vectors.is_power_of_two() && msi.vectors <= 32 && msi.offset <= 0xf6);
    }
    found.insert(function.address);
}

fn check_fault(fault: &Fault) {
    assert!(Rule::ALL.contains(&fault.problem.rule()) && fault.offset < 4096);
    let text = fault.to_string();
    assert!(text.len() < 160 && !text.contains('\n'), "{text}");
}
