//! The machine as a picture on the screen: collects what each node's box shows, and has those boxes drawn that have changed.
use crate::cpu::{self, shootdown};
use crate::devices::device_registry;
use crate::memory::frames;
use crate::platform::numa_topology;
use crate::report::screen;
use alloc::vec::Vec;
use arrayvec::ArrayString;
use core::fmt::Write;
use text_screen::{FULL_LOAD, MachinePicture, NodeLook};
use topology::{Node, NumaTopology};
use units::{FRAME_SIZE, NodeId};

/// Bytes of the title.
const TITLE: usize = 64;

/// A node's box as it was drawn.
struct Drawn {
    used_mib: u64,
    loads: Vec<u8>,
    devices: usize,
}

/// The picture, and what of it is drawn.
pub struct MachineScreen {
    picture: MachinePicture,
    nodes: Vec<Drawn>,
}

impl MachineScreen {
    /// Draws the picture in the upper part of the screen, if it leaves a third of the lines, and if there is memory for what it shows.
    pub fn begin() -> Option<Self> {
        let (mode, lines) = screen::form()?;
        let topology = numa_topology::get();
        let picture = MachinePicture::new(&mode, topology.node_count(), lines * 2 / 3)?;
        let mut nodes = Vec::new();
        nodes.try_reserve_exact(topology.node_count()).ok()?;
        for node in topology.nodes() {
            let mut loads = Vec::new();
            loads.try_reserve_exact(node.cpu_count as usize).ok()?;
            loads.extend(cpus_of(node.id).map(|_| 0));
            // No node has that much, so each box is drawn.
            nodes.push(Drawn { used_mib: u64::MAX, loads, devices: devices_of(node.id) });
        }
        screen::leave_lines_above(picture.lines());
        screen::paint_above(|painter| {
            let distance = |from: usize, to: usize| {
                let node = |index| NodeId::new(index).unwrap_or_default();
                topology.distance(node(from), node(to)).unwrap_or(u8::MAX)
            };
            picture.draw_still(painter, title(topology).as_bytes(), distance);
        });
        let mut screen = Self { picture, nodes };
        screen.update();
        Some(screen)
    }

    /// Draws the boxes whose numbers have changed. Returns true if there were any.
    pub fn update(&mut self) -> bool {
        let mut is_drawn = false;
        for (node, drawn) in numa_topology::get().nodes().iter().zip(&mut self.nodes) {
            is_drawn |= update_node(&self.picture, node, drawn);
        }
        is_drawn
    }
}

fn update_node(picture: &MachinePicture, node: &Node, drawn: &mut Drawn) -> bool {
    let stats = frames::node_stats(node.id);
    // Rounded to the nearest number.
    let mib = |frames: u64| (frames * FRAME_SIZE + (1 << 19)) >> 20;
    let used_mib = mib(stats.total.saturating_sub(stats.free));
    let mut is_changed = drawn.used_mib != used_mib;
    drawn.used_mib = used_mib;
    let running = cpu::current().id;
    for (cpu, load) in cpus_of(node.id).zip(&mut drawn.loads) {
        // The CPU of this thread is busy with it now, and is idle otherwise, or the thread would have waited.
        let is_busy = cpu.id != running && !shootdown::is_idle(cpu);
        let now = if is_busy { (*load + 1).min(FULL_LOAD) } else { load.saturating_sub(1) };
        is_changed |= *load != now;
        *load = now;
    }
    if is_changed {
        let total_mib = mib(stats.total);
        let look = NodeLook { used_mib, total_mib, loads: &drawn.loads, devices: drawn.devices };
        screen::paint_above(|painter| picture.draw_node(painter, node.id.index(), &look));
    }
    is_changed
}

fn cpus_of(node: NodeId) -> impl Iterator<Item = &'static cpu::Cpu> {
    cpu::online().filter(move |cpu| cpu.node == node)
}

/// Returns the number of PCI functions that are near a node.
fn devices_of(node: NodeId) -> usize {
    device_registry::all().iter().filter(|device| device.node.is_some_and(|near| near.node == node)).count()
}

fn title(topology: &NumaTopology) -> ArrayString<TITLE> {
    let mut title = ArrayString::new();
    let (nodes, cpus) = (topology.node_count(), cpu::online().count());
    // The title has room for any numbers.
    let _ = write!(title, "Proxima: {nodes} node{}, {cpus} CPU{}", plural(nodes), plural(cpus));
    title
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
