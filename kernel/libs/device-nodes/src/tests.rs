//! Tests of host bridges and nodes, with tables that the builders write and functions that a scan would give.
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use acpi_tables::builder::{self, TableBuilder};
use acpi_tables::{DeviceHandle, Finding, Signature};
use aml_names::builder::{buffer, device, eisa_id, integer, method, name, package, scope};
use pci::model::{Model, Registers};
use pci::{AddressRange, BusSet, Function, PciAddress, RootWindow, Space};
use topology::{Inputs, NumaTopology};
use units::{NodeId, ProximityDomain};

use crate::NodeSource::{self, Bridge, Pxm, Srat};
use crate::{HostBridges, LocatedFunction, MAX_BRIDGES, MAX_PIN_ROUTES, NoPinRoute, locate};

/// The domains of the machine's nodes 0 and 1.
const DOMAINS: [u32; 2] = [3, 8];
/// A domain of a generic initiator alone.
const INITIATOR: u32 = 20;

fn pxm(domain: u32) -> Vec<u8> {
    name("_PXM", &integer(domain.into()))
}

fn adr(device: u64, function: u64) -> Vec<u8> {
    name("_ADR", &integer(device << 16 | function))
}

/// Returns a host bridge with these objects.
fn bridge(own: &str, objects: &[Vec<u8>]) -> Vec<u8> {
    device(own, &[&[name("_HID", &eisa_id("PNP0A08"))], objects].concat())
}

fn bbn(bus: u64) -> Vec<u8> {
    name("_BBN", &integer(bus))
}

fn dsdt(terms: &[Vec<u8>]) -> Vec<u8> {
    aml_names::builder::table(Signature::DSDT, 2, &[scope("\\_SB", terms)])
}

fn at(bus: u8, slot: u8, function: u8) -> PciAddress {
    PciAddress::new(0, bus, slot, function)
}

/// Builds the machine's nodes, and generic initiators at these addresses of PCI.
fn topology(initiators: &[(PciAddress, u32)]) -> NumaTopology {
    let mut srat = TableBuilder::srat(3);
    for (cpu, domain) in (0..).zip(DOMAINS) {
        srat = srat.entry(&builder::local_apic_affinity(cpu, ProximityDomain(domain)));
    }
    for &(at, domain) in initiators {
        let (segment, bus, device, function) = (at.segment(), at.bus(), at.device(), at.function());
        let handle = DeviceHandle::Pci { segment, bus, device, function };
        srat = srat.entry(&builder::generic_initiator(handle, ProximityDomain(domain)));
    }
    let madt = TableBuilder::madt().entry(&builder::local_apic(0, 0)).entry(&builder::local_apic(1, 1));
    let tables = [srat.build(), madt.build()];
    let mut findings = |finding: Finding| panic!("{finding}");
    let inputs = Inputs::from_tables(tables.iter().map(Vec::as_slice), &mut findings);
    let topology = NumaTopology::build(&inputs, &mut findings);
    assert_eq!(topology.nodes().iter().map(|node| node.domain.0).collect::<Vec<_>>(), DOMAINS);
    topology
}

/// Reads the host bridges, and returns the findings as their rules.
fn read(terms: &[Vec<u8>], topology: &NumaTopology) -> (HostBridges, Vec<&'static str>) {
    let table = dsdt(terms);
    let mut storage = vec![aml_names::Device::EMPTY; 256];
    let mut rules = Vec::new();
    let mut findings = |finding: Finding| rules.push(finding.rule.id());
    (HostBridges::read([&table[..]], &mut storage, topology, &mut findings), rules)
}

/// Returns a function behind this bridge, with this pin: 1 for INTA.
fn pulling(address: PciAddress, parent: Option<PciAddress>, pin: u8) -> Function {
    let mut model = Model::default();
    model.insert(at(0, 0, 0), Registers::new(0x1234, 0x5678, 0x02_00_00));
    let mut found = None;
    pci::scan(&model, 0, BusSet::ALL, BusSet::EMPTY, &mut |function| found = Some(function), &mut |_| {});
    Function { address, parent, pin, ..found.unwrap() }
}

/// Scans a machine of these functions. A function with buses is a bridge to them.
fn scan(functions: &[(PciAddress, Option<(u8, u8)>)], bridges: &HostBridges) -> Vec<LocatedFunction> {
    let mut model = Model::default();
    for &(address, buses) in functions {
        let registers = match buses {
            Some((secondary, subordinate)) => Registers::bridge(secondary, subordinate),
            None => Registers::new(0x1234, 0x5678, 0x02_00_00),
        };
        model.insert(address, registers.of_several());
    }
    let mut found = Vec::new();
    let mut take = |function| found.push(LocatedFunction { function, node: None });
    pci::scan(&model, 0, BusSet::ALL, bridges.roots(0), &mut take, &mut |fault| panic!("{fault}"));
    found
}

/// Returns the nodes of these functions: for each that has one its address, the node and the source.
fn nodes(
    terms: &[Vec<u8>],
    initiators: &[(PciAddress, u32)],
    functions: &[(PciAddress, Option<(u8, u8)>)],
) -> (Vec<(PciAddress, usize, NodeSource)>, Vec<&'static str>) {
    let topology = topology(initiators);
    let (bridges, rules) = read(terms, &topology);
    let mut found = scan(functions, &bridges);
    locate(&mut found, &bridges, &topology);
    let known = found.iter().filter_map(|found| Some((found.function.address, found.node?)));
    (known.map(|(address, node)| (address, node.node.index(), node.source)).collect(), rules)
}

#[test]
fn the_numbers_of_sources_are_those_of_the_abi() {
    assert_eq!([Pxm as u8, Srat as u8, Bridge as u8], [1, 2, 3]);
}

#[test]
fn a_function_is_on_the_node_of_its_host_bridge_or_of_the_bridge_above_it() {
    let terms = [bridge("PCI0", &[]), bridge("PC80", &[bbn(0x80), pxm(8)])];
    let functions = [
        (at(0, 1, 0), None),
        (at(0x80, 0, 0), Some((0x81, 0x83))),
        (at(0x80, 1, 0), None),
        (at(0x81, 0, 0), Some((0x82, 0x83))),
        (at(0x82, 0, 0), Some((0x83, 0x83))),
        (at(0x83, 7, 0), None),
    ];
    let expected = [
        (at(0x80, 0, 0), 1, Pxm),
        (at(0x80, 1, 0), 1, Pxm),
        (at(0x81, 0, 0), 1, Bridge),
        (at(0x82, 0, 0), 1, Bridge),
        (at(0x83, 7, 0), 1, Bridge),
    ];
    assert_eq!(nodes(&terms, &[], &functions), (expected.to_vec(), Vec::new()));
}

#[test]
fn the_nearest_domain_on_the_way_counts() {
    // The port at 1.0 and the device at 2.3 behind it have their own domains.
    let port = device("RP01", &[adr(1, 0), pxm(8), device("SLOT", &[adr(2, 3), pxm(3)])]);
    let terms = [bridge("PCI0", &[pxm(3), port])];
    let functions = [
        (at(0, 0, 0), None),
        (at(0, 1, 0), Some((1, 2))),
        (at(0, 1, 1), Some((3, 3))),
        (at(1, 0, 0), None),
        (at(1, 2, 0), Some((2, 2))),
        (at(1, 2, 3), None),
        (at(2, 2, 0), None),
        (at(2, 2, 3), None),
        (at(3, 2, 0), None),
        (at(3, 2, 3), None),
    ];
    let expected = [
        (at(0, 0, 0), 0, Pxm),
        (at(0, 1, 0), 1, Pxm),
        (at(0, 1, 1), 0, Pxm),
        (at(1, 0, 0), 1, Bridge),
        (at(1, 2, 0), 1, Bridge),
        (at(1, 2, 3), 0, Pxm),
        (at(2, 2, 0), 1, Bridge),
        (at(2, 2, 3), 1, Bridge),
        (at(3, 2, 0), 0, Bridge),
        (at(3, 2, 3), 0, Bridge),
    ];
    assert_eq!(nodes(&terms, &[], &functions), (expected.to_vec(), Vec::new()));
}

#[test]
fn a_domain_of_all_functions_of_a_device_counts_for_each() {
    let terms = [bridge("PCI0", &[device("DEV1", &[adr(1, 0xffff), pxm(8)])])];
    let functions = [(at(0, 1, 0), None), (at(0, 1, 5), None), (at(0, 2, 0), None)];
    let expected = [(at(0, 1, 0), 1, Pxm), (at(0, 1, 5), 1, Pxm)];
    assert_eq!(nodes(&terms, &[], &functions), (expected.to_vec(), Vec::new()));
}

#[test]
fn the_srat_places_a_function_and_what_is_behind_it() {
    let terms = [bridge("PCI0", &[pxm(3), device("DEV4", &[adr(4, 0), pxm(3)])])];
    let functions = [
        (at(0, 1, 0), Some((1, 1))),
        (at(0, 2, 0), None),
        (at(0, 3, 0), None),
        (at(0, 4, 0), None),
        (at(1, 0, 0), None),
    ];
    let initiators = [(at(0, 1, 0), 8), (at(0, 3, 0), INITIATOR), (at(0, 4, 0), 8), (at(9, 0, 0), 8)];
    let expected = [
        (at(0, 1, 0), 1, Srat),
        (at(0, 2, 0), 0, Pxm),
        // No node has the domain of this initiator.
        (at(0, 3, 0), 0, Pxm),
        (at(0, 4, 0), 0, Pxm),
        (at(1, 0, 0), 1, Bridge),
    ];
    assert_eq!(nodes(&terms, &initiators, &functions), (expected.to_vec(), Vec::new()));
}

#[test]
fn a_domain_of_no_node_makes_the_node_unknown_and_is_reported_once() {
    let port = device("RP01", &[adr(1, 0), pxm(7)]);
    let terms = [bridge("PCI0", &[pxm(8), port]), bridge("PC80", &[bbn(0x80), pxm(9)])];
    let functions =
        [(at(0, 0, 0), None), (at(0, 1, 0), Some((1, 1))), (at(1, 0, 0), None), (at(0x80, 0, 0), None)];
    let rules = vec!["aml.domain", "aml.domain"];
    assert_eq!(nodes(&terms, &[], &functions), (vec![(at(0, 0, 0), 1, Pxm)], rules));
}

#[test]
fn a_domain_of_an_initiator_is_no_fault_and_no_node() {
    let terms = [bridge("PCI0", &[pxm(INITIATOR)])];
    let initiators = [(at(5, 0, 0), INITIATOR)];
    assert_eq!(nodes(&terms, &initiators, &[(at(0, 0, 0), None)]), (Vec::new(), Vec::new()));
}

#[test]
fn a_domain_that_a_method_computes_is_passed_over() {
    let port = device("RP01", &[adr(1, 0), method("_PXM", 0, &[vec![0xa3]])]);
    let terms = [bridge("PCI0", &[pxm(8), port])];
    let expected = vec![(at(0, 1, 0), 1, Pxm)];
    assert_eq!(nodes(&terms, &[], &[(at(0, 1, 0), None)]), (expected, Vec::new()));
}

#[test]
fn without_an_srat_no_domain_is_a_node() {
    let mut findings = |finding: Finding| panic!("{finding}");
    let inputs = Inputs::from_tables([], &mut findings);
    let topology = NumaTopology::build(&inputs, &mut |_: Finding| {});
    let (bridges, rules) = read(&[bridge("PCI0", &[pxm(0)])], &topology);
    assert_eq!((bridges.find(0, 0).unwrap().node, rules), (None, Vec::new()));
}

/// Returns a `_CRS` with a window of buses from `first` on.
fn buses(first: u16, last: u16) -> Vec<u8> {
    let words = [0, first, last, 0, last - first + 1];
    let mut bytes = vec![0x88, 13, 0, 2, 0x0c, 0];
    bytes.extend(words.iter().flat_map(|word: &u16| word.to_le_bytes()));
    bytes.extend([0x79, 0]);
    name("_CRS", &buffer(bytes.len() as u64, &bytes))
}

#[test]
fn the_first_bus_is_a_constant_or_stands_among_the_windows() {
    let computed = || method("_BBN", 0, &[vec![0xa3]]);
    let segment = |number| name("_SEG", &integer(number));
    let terms = [
        bridge("PCI0", &[]),
        bridge("PCI1", &[bbn(0x40), buses(0x60, 0x7f)]),
        bridge("PCI2", &[computed(), buses(0x80, 0xff), pxm(8)]),
        bridge("PCI3", &[computed()]),
        bridge("PCI4", &[bbn(0x20), segment(1)]),
        bridge("PCI5", &[bbn(0x30), method("_SEG", 0, &[vec![0xa3]])]),
    ];
    let (bridges, rules) = read(&terms, &topology(&[]));
    let found: Vec<_> = bridges.iter().map(|bridge| (bridge.segment, bridge.first_bus)).collect();
    assert_eq!((found, rules), (vec![(0, 0), (0, 0x40), (0, 0x80), (1, 0x20)], Vec::new()));
    assert_eq!(bridges.roots(0).iter().collect::<Vec<_>>(), [0, 0x40, 0x80]);
    assert_eq!(bridges.roots(1).iter().collect::<Vec<_>>(), [0x20]);
    assert_eq!(bridges.find(0, 0x80).unwrap().node, Some(NodeId::new(1).unwrap()));
    assert!(bridges.find(1, 0).is_none() && bridges.find(0, 0x20).is_none());
}

/// Returns the bytes of an address space descriptor of 64 bits.
fn descriptor(kind: u8, flags: u8, first: u64, last: u64, translation: u64) -> Vec<u8> {
    let numbers = [0, first, last, translation, last - first + 1];
    let mut bytes = vec![0x8a, 43, 0, kind, flags, 0];
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}

#[test]
fn windows_of_memory_and_ports_are_kept_unless_they_change_addresses() {
    let list = [
        descriptor(0, 0x0c, 0x8000_0000, 0x8fff_ffff, 0),
        descriptor(1, 0x0c, 0xc000, 0xcfff, 0),
        descriptor(2, 0x0c, 0x40, 0x7f, 0),
        descriptor(0, 0x0c, 0, 0xffff, 1 << 32),
        // The bridge itself uses these.
        descriptor(0, 0x0d, 0x9000_0000, 0x9fff_ffff, 0),
        vec![0x79, 0],
    ]
    .concat();
    let resources = name("_CRS", &buffer(list.len() as u64, &list));
    let terms = [
        bridge("PCI0", &[bbn(0x40), resources.clone()]),
        // Another one with that bus, as in tables for several machines: it has the same devices below.
        bridge("PCI1", &[bbn(0x40), resources]),
        bridge("PCI2", &[bbn(0x80), method("_CRS", 0, &[vec![0xa3]])]),
    ];
    let (bridges, rules) = read(&terms, &topology(&[]));
    let window = |space, first, last| RootWindow {
        segment: 0,
        root_bus: 0x40,
        space,
        range: AddressRange { first, last },
    };
    let expected = [window(Space::Memory, 0x8000_0000, 0x8fff_ffff), window(Space::Ports, 0xc000, 0xcfff)];
    assert_eq!((bridges.windows(), rules), (&expected[..], Vec::new()));
    assert_eq!(bridges.iter().count(), 2);
}

#[test]
fn host_bridges_that_find_no_room_are_reported_once() {
    let names: Vec<String> = (0..MAX_BRIDGES + 2).map(|number| alloc::format!("P{number:03}")).collect();
    let terms: Vec<_> = (0..).zip(&names).map(|(bus, name)| bridge(name, &[bbn(bus)])).collect();
    let (bridges, rules) = read(&terms, &topology(&[]));
    assert_eq!((bridges.iter().count(), rules), (MAX_BRIDGES, vec!["aml.full"]));
}

/// Returns an entry of a routing table.
fn route(device: u64, pin: u64, source: Vec<u8>, index: u64) -> Vec<u8> {
    package(&[integer(device << 16 | 0xffff), integer(pin), source, integer(index)])
}

#[test]
fn a_pin_on_a_root_bus_leads_where_a_constant_table_says() {
    let link = || aml_names::builder::path("LNKA");
    let table = [
        route(3, 0, integer(0), 17),
        route(3, 1, link(), 0),
        // An entry that cannot be read is none.
        route(4, 9, integer(0), 18),
    ];
    let terms = [
        bridge("PCI0", &[name("_PRT", &package(&table))]),
        bridge("PCI1", &[bbn(0x40), method("_PRT", 0, &[vec![0xa3]])]),
        bridge("PCI2", &[bbn(0x60)]),
    ];
    let (bridges, rules) = read(&terms, &topology(&[]));
    assert_eq!(rules, Vec::<&str>::new());
    let line = |address, pin| bridges.line_of_pin(&pulling(address, None, pin), |_| None);
    assert_eq!(line(at(0, 3, 0), 1), Ok(17));
    assert_eq!(line(at(0, 3, 0), 2), Err(NoPinRoute::Link));
    assert_eq!(line(at(0, 4, 0), 2), Err(NoPinRoute::NoEntry));
    assert_eq!(line(at(0x40, 3, 0), 1), Err(NoPinRoute::NotConstant));
    assert_eq!(line(at(0x60, 3, 0), 1), Err(NoPinRoute::NoTable));
    assert_eq!(line(PciAddress::new(1, 0, 3, 0), 1), Err(NoPinRoute::NoTable));
    assert_eq!(line(at(0, 3, 0), 0), Err(NoPinRoute::NoRootPin));
}

#[test]
fn a_constant_table_beside_a_computed_one_counts() {
    let computed = method("_PRT", 0, &[vec![0xa3]]);
    let constant = name("_PRT", &package(&[route(3, 0, integer(0), 17)]));
    for order in [[&computed, &constant], [&constant, &computed]] {
        let terms = [bridge("PCI0", &[order[0].clone()]), bridge("PCI1", &[order[1].clone()])];
        let (bridges, _) = read(&terms, &topology(&[]));
        assert_eq!(bridges.line_of_pin(&pulling(at(0, 3, 0), None, 1), |_| None), Ok(17));
    }
}

#[test]
fn a_table_that_finds_no_room_is_reported_and_does_not_count() {
    // A package has at most 255 elements.
    let entries: Vec<_> = (0..255).map(|number| route(number % 32, number / 64, integer(0), 17)).collect();
    let names: Vec<String> = (0..5).map(|number| alloc::format!("P{number:03}")).collect();
    let table = name("_PRT", &package(&entries));
    let terms: Vec<_> =
        (0..).zip(&names).map(|(bus, name)| bridge(name, &[bbn(bus), table.clone()])).collect();
    let (bridges, rules) = read(&terms, &topology(&[]));
    const { assert!(5 * 255 > MAX_PIN_ROUTES && 4 * 255 <= MAX_PIN_ROUTES) };
    assert_eq!(rules, ["aml.full"]);
    let line = |bus| bridges.line_of_pin(&pulling(at(bus, 0, 0), None, 1), |_| None);
    assert_eq!(line(3), Ok(17));
    assert_eq!(line(4), Err(NoPinRoute::NotConstant));
}

/// Returns the lines of INTA of slots 0 and 1 behind a root port at 1.0 on bus 0, which has this `_PRT`. The root bus's table leads the port's INTA
/// to 30, its INTB to 31.
fn lines_behind_a_port(port_objects: &[Vec<u8>]) -> [Result<u32, NoPinRoute>; 2] {
    let port = device("RP01", &[&[adr(1, 0)], port_objects].concat());
    let table = name("_PRT", &package(&[route(1, 0, integer(0), 30), route(1, 1, integer(0), 31)]));
    let (bridges, rules) = read(&[bridge("PCI0", &[table, port])], &topology(&[]));
    assert_eq!(rules, Vec::<&str>::new());
    let find = |address| (address == at(0, 1, 0)).then(|| pulling(address, None, 1));
    [0, 1].map(|slot| bridges.line_of_pin(&pulling(at(1, slot, 0), Some(at(0, 1, 0)), 1), find))
}

#[test]
fn a_bridge_without_a_table_joins_the_pins_behind_it_to_its_own() {
    assert_eq!(lines_behind_a_port(&[]), [Ok(30), Ok(31)]);
}

#[test]
fn a_bridges_own_table_counts_before_that_of_the_root_bus() {
    let table = name("_PRT", &package(&[route(0, 0, integer(0), 40)]));
    // It has no entry for slot 1.
    assert_eq!(lines_behind_a_port(&[table]), [Ok(40), Ok(31)]);
}

#[test]
fn behind_a_bridge_whose_table_a_method_computes_no_line_is_known() {
    let computed = method("_PRT", 0, &[vec![0xa3]]);
    assert_eq!(lines_behind_a_port(&[computed]), [Err(NoPinRoute::NotConstant); 2]);
}

#[test]
fn a_table_of_a_bridge_elsewhere_does_not_count() {
    let table = name("_PRT", &package(&[route(0, 0, integer(0), 40)]));
    let elsewhere = device("SLOT", &[adr(0, 0), table]);
    assert_eq!(lines_behind_a_port(&[elsewhere]), [Ok(30), Ok(31)]);
}

#[test]
fn a_pin_behind_a_bridge_that_is_not_there_leads_nowhere() {
    let (bridges, _) = read(&[bridge("PCI0", &[])], &topology(&[]));
    let lost = pulling(at(1, 0, 0), Some(at(0, 1, 0)), 1);
    assert_eq!(bridges.line_of_pin(&lost, |_| None), Err(NoPinRoute::NoRootPin));
}
