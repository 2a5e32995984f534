//! Finds the functions of PCI at boot, and says what they are and on which node.
use super::config_access::{self, ConfigAccess};
use super::config_ports::ConfigPorts;
use super::device_registry::{self, Device};
use super::ecam::Ecam;
use super::pci_addresses;
use super::pci_faults::PciFaults;
use super::power;
use crate::arch;
use crate::platform::{numa_topology, pci_tables};
use crate::report::event_stream;
use alloc::vec::Vec;
use arrayvec::ArrayString;
use core::fmt::{self, Display, Write};
use device_nodes::{DeviceNode, LocatedFunction, locate};
use events::Event;
use pci::{BusSet, ConfigSpace, Fault, Function, PciAddress, Problem};
use spin::Once;

/// The most functions that are kept. Large servers have some hundreds.
const MOST: usize = 4096;
/// Bytes of an address as text: `0000:00:1f.2`.
const ADDRESS: usize = 12;

/// The functions, and how long it took to find them.
struct Scanned {
    /// In ascending order of their addresses.
    functions: Vec<LocatedFunction>,
    ticks: u64,
}

static SCANNED: Once<Scanned> = Once::new();

/// Finds the functions and reports each of them. A machine without PCI has none.
pub fn init() {
    let scanned = SCANNED.call_once(|| {
        let start = arch::ticks();
        let functions = scan();
        Scanned { functions, ticks: arch::ticks() - start }
    });
    for LocatedFunction { function, node } in &scanned.functions {
        report(function, *node, None);
        log_details(function);
    }
    device_registry::init(&scanned.functions);
    power::stop_bus_mastering();
}

/// Returns the functions, in ascending order of their addresses.
pub fn functions() -> &'static [LocatedFunction] {
    SCANNED.get().map_or(&[], |scanned| &scanned.functions)
}

/// Returns the ticks that the boot took to find all functions and their nodes, without reporting them.
pub fn scan_ticks() -> u64 {
    SCANNED.get().map_or(0, |scanned| scanned.ticks)
}

/// Scans what the MCFG gives. If nothing answers there, scans segment 0 through the ports. Then gives addresses to BARs that have
/// none, and finds the nodes.
fn scan() -> Vec<LocatedFunction> {
    let (mut functions, mut faults) = (Vec::new(), PciFaults::new());
    let ranges = pci_tables::mcfg_ranges();
    if let Some(range) = ranges.first() {
        let ecam = Ecam::map(ranges, &mut faults);
        scan_segments(&ecam, ecam.segments(), &mut functions, &mut faults);
        if functions.is_empty() {
            let function = PciAddress::new(range.segment, range.first_bus, 0, 0);
            faults.report(Fault { function, offset: 0, problem: Problem::EcamSilent });
        } else {
            config_access::set(ConfigAccess::Ecam(ecam));
        }
    }
    if functions.is_empty()
        && let Some(ports) = ConfigPorts::find()
    {
        scan_segments(&ports, [(0, BusSet::ALL)], &mut functions, &mut faults);
        config_access::set(ConfigAccess::Ports(ports));
    }
    faults.finish();
    locate(&mut functions, pci_tables::host_bridges(), numa_topology::get());
    functions
}

/// Finds the functions of all segments, and gives addresses to BARs that have none.
fn scan_segments(
    config: &impl ConfigSpace,
    segments: impl IntoIterator<Item = (u16, BusSet)>,
    functions: &mut Vec<LocatedFunction>,
    faults: &mut PciFaults,
) {
    let mut is_complete = true;
    for (segment, buses) in segments {
        is_complete &= scan_segment(config, segment, buses, functions, faults);
    }
    // The MCFG may have its segments in any order.
    functions.sort_unstable_by_key(|located| located.function.address);
    // Functions that are left out have addresses, too.
    if is_complete {
        pci_addresses::assign(config, functions, faults);
    }
}

/// Finds the functions of a segment. Returns false if some are left out.
fn scan_segment(
    config: &impl ConfigSpace,
    segment: u16,
    buses: BusSet,
    functions: &mut Vec<LocatedFunction>,
    faults: &mut PciFaults,
) -> bool {
    let mut first_left_out = None;
    let mut add = |function: Function| {
        if functions.len() < MOST && functions.try_reserve(1).is_ok() {
            functions.push(LocatedFunction { function, node: None });
        } else {
            first_left_out.get_or_insert(function.address);
        }
    };
    let roots = pci_tables::host_bridges().roots(segment);
    pci::scan(config, segment, buses, roots, &mut add, &mut |fault| faults.report(fault));
    if let Some(function) = first_left_out {
        faults.report(Fault { function, offset: 0, problem: Problem::Full { limit: functions.len() } });
    }
    first_left_out.is_none()
}

/// Reports that a driver handles a device.
pub fn report_driver(device: &Device, driver: &str) {
    report(&device.function, device.node, Some(driver));
}

fn report(function: &Function, node: Option<DeviceNode>, driver: Option<&str>) {
    let Function { address, class, vendor, device, .. } = *function;
    let (comma, name) = driver.map_or(("", ""), |driver| (", driver ", driver));
    let mut text = ArrayString::<ADDRESS>::new();
    // An address has 12 letters, so this does not fail.
    let _ = write!(text, "{address}");
    log::info!(target: "devices", "{text} {class} ({vendor:04x}:{device:04x}){}{comma}{name}", on_node(node));
    event_stream::send(&Event::Device {
        address: text.as_str().into(),
        vendor: vendor.into(),
        device: device.into(),
        class: class.0,
        node: node.map_or(-1, |node| node.node.index() as i32),
        driver: driver.map(Into::into),
    });
}

/// Writes ` on node 1`, or nothing if the node is unknown.
fn on_node(node: Option<DeviceNode>) -> impl Display {
    fmt::from_fn(move |out| node.map_or(Ok(()), |DeviceNode { node, .. }| write!(out, " on node {node}")))
}

/// Logs the BARs and the kinds of interrupts, for who debugs.
fn log_details(function: &Function) {
    if !log::log_enabled!(target: "devices", log::Level::Debug) {
        return;
    }
    let address = function.address;
    for (number, bar) in function.bars.iter().enumerate() {
        if let Some(bar) = bar {
            log::debug!(target: "devices", "{address} BAR {number}: {bar}");
        }
    }
    if let Some(msi) = function.msi {
        log::debug!(target: "devices", "{address} MSI: {} vectors", msi.vectors);
    }
    if let Some(msi_x) = function.msi_x {
        log::debug!(target: "devices", "{address} MSI-X: {} vectors", msi_x.vectors);
    }
}
