//! Tests of the scan on models of configuration space.
mod any_bytes;
mod assign;
mod bars;
mod bridge_forward;
mod bridges;
mod drivers_access;
mod lists;
mod message_control;
mod messages;
mod pins;

use alloc::vec::Vec;

use pci_types::PciAddress;

use crate::model::{Model, Registers};
use crate::{BusSet, Fault, Function, scan};

/// A fault as tests compare it: where, and the rule.
type Reported = (PciAddress, u16, &'static str);

/// Returns the address of a function of segment 0.
fn at(bus: u8, slot: u8, function: u8) -> PciAddress {
    PciAddress::new(0, bus, slot, function)
}

fn scan_with(model: &Model, reachable: BusSet, roots: BusSet) -> (Vec<Function>, Vec<Reported>) {
    let (mut found, mut reported) = (Vec::new(), Vec::new());
    let mut report = |fault: Fault| reported.push((fault.function, fault.offset, fault.problem.rule().id()));
    scan(model, 0, reachable, roots, &mut |function| found.push(function), &mut report);
    (found, reported)
}

fn scan_all(model: &Model) -> (Vec<Function>, Vec<Reported>) {
    scan_with(model, BusSet::ALL, BusSet::EMPTY)
}

fn model(functions: impl IntoIterator<Item = (PciAddress, Registers)>) -> Model {
    let mut model = Model::default();
    functions.into_iter().for_each(|(address, registers)| model.insert(address, registers));
    model
}

/// Scans a machine of this one function.
#[track_caller]
fn scan_one(registers: Registers) -> (Function, Vec<Reported>) {
    let model = model([(at(0, 3, 0), registers)]);
    let before: Vec<_> = model.functions().collect();
    let (found, reported) = scan_all(&model);
    assert!(model.functions().eq(before), "every register is restored");
    assert_eq!(found.len(), 1);
    (found[0], reported)
}

/// Returns a device without BARs and capabilities.
fn device() -> Registers {
    Registers::new(0x1234, 0x5678, 0x02_00_00)
}
