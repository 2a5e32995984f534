//! Collects devices and their objects from all definition blocks.
//!
//! A table may define a device, and another one an object in the device's scope. So the blocks are walked several times: to find
//! the devices that the caller asks for, and then their objects. Faults of the walk are reported the first time only.
use acpi_tables::{AmlFaultKind, DefinitionBlocks, Findings};

use crate::device::{Device, is_bridge_id, is_valid};
use crate::object::{Definition, Object, ObjectName};
use crate::path::Path;
use crate::walk::{Term, Walk};

/// Devices that [`read_devices`] or [`read_host_bridges`] has found, in the order in which they were found.
#[derive(Debug)]
pub struct Devices<'s, 'a> {
    stored: &'s [Device<'a>],
    /// The number of steps that reading took.
    steps: u64,
}

impl<'s, 'a> Devices<'s, 'a> {
    /// Returns the devices that the tables define.
    pub fn iter(&self) -> impl Iterator<Item = &'s Device<'a>> + use<'s, 'a> {
        self.stored.iter().filter(|device| device.is_defined())
    }

    /// Returns the number of steps that reading took, at most 6 for each byte of a table.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns the device at this path.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<&'s Device<'a>> {
        self.iter().find(|device| device.path == *path)
    }
}

/// Reads all devices.
///
/// `tables` are the raw bytes of any tables; the DSDT and the SSDTs among them are read. `storage` is overwritten, and its
/// length limits the number of devices. Reading compares each device's path with those in `storage`.
pub fn read_devices<'s, 'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    storage: &'s mut [Device<'a>],
    findings: &mut dyn Findings,
) -> Devices<'s, 'a> {
    let mut reader = Reader::new(tables, storage, findings);
    reader.pass(true, findings, |reader, walk, term, findings| {
        if let Term::Device { path, offset, .. } = *term {
            reader.add(path, walk, offset, findings);
        }
    });
    reader.fill(findings)
}

/// Reads the PCI host bridges, the devices above and below them that have a `_PXM` or a `_PRT`, and those between them.
///
/// See [`read_devices`] for the parameters. A machine with a bridge for each root port has up to 64 of them.
pub fn read_host_bridges<'s, 'a>(
    tables: impl IntoIterator<Item = &'a [u8]> + Clone,
    storage: &'s mut [Device<'a>],
    findings: &mut dyn Findings,
) -> Devices<'s, 'a> {
    let mut reader = Reader::new(tables, storage, findings);
    // True if a device that is no known host bridge has one of these objects.
    let mut more = false;
    reader.pass(true, findings, |reader, walk, term, findings| match term {
        Term::Object { scope, name: ObjectName::Hid | ObjectName::Cid, definition, offset, .. }
            if is_bridge_id(definition) =>
        {
            reader.add(*scope, walk, *offset, findings);
        }
        Term::Object { scope, name: ObjectName::Pxm | ObjectName::Prt, .. } => {
            more |= reader.find(scope).is_none()
        }
        _ => {}
    });
    if more {
        let bridges = reader.used;
        reader.pass(false, findings, |reader, walk, term, findings| {
            if let Term::Object { scope, name: ObjectName::Pxm | ObjectName::Prt, offset, .. } = *term {
                reader.add_near_bridge(scope, bridges, walk, offset, findings);
            }
        });
    }
    reader.fill(findings)
}

/// The state of reading.
struct Reader<'s, 'a, T> {
    blocks: DefinitionBlocks<'a, T>,
    storage: &'s mut [Device<'a>],
    /// The number of devices in `storage`.
    used: usize,
    /// True if a device found no room, which is reported once.
    is_full: bool,
    /// True if integers have 64 bits.
    wide: bool,
    steps: u64,
}

impl<'s, 'a, T: IntoIterator<Item = &'a [u8]> + Clone> Reader<'s, 'a, T> {
    fn new(tables: T, storage: &'s mut [Device<'a>], findings: &mut dyn Findings) -> Self {
        let blocks = DefinitionBlocks::find(tables, findings);
        // Without a DSDT, the integers have the size of current revisions.
        let wide = blocks.dsdt().is_none_or(|dsdt| dsdt.revision >= 2);
        Self { blocks, storage, used: 0, is_full: false, wide, steps: 0 }
    }

    /// Walks all blocks. Reports the walk's own faults if `reports` is true.
    fn pass(
        &mut self,
        reports: bool,
        findings: &mut dyn Findings,
        mut each: impl FnMut(&mut Self, &Walk<'a>, &Term<'a>, &mut dyn Findings),
    ) {
        for block in self.blocks.iter() {
            let mut walk = Walk::new(block, self.wide);
            loop {
                let known = |path: &Path| self.find(path).is_some();
                let term = if reports { walk.next(&known, findings) } else { walk.next(&known, &mut |_| {}) };
                let Some(term) = term else { break };
                each(self, &walk, &term, findings);
            }
            self.steps += walk.steps;
        }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        self.storage.iter().take(self.used).position(|device| device.path == *path)
    }

    /// Adds a device, unless it is known.
    fn add(&mut self, path: Path, walk: &Walk<'a>, offset: usize, findings: &mut dyn Findings) {
        if self.find(&path).is_some() {
            return;
        }
        if let Some(slot) = self.storage.get_mut(self.used) {
            *slot = Device::new(path);
            self.used += 1;
        } else if !self.is_full {
            self.is_full = true;
            walk.report(offset, AmlFaultKind::Full { room: self.used as u32 }, findings);
        }
    }

    /// Adds a device that is above or below one of the first `bridges` devices, and those between the two.
    fn add_near_bridge(
        &mut self,
        path: Path,
        bridges: usize,
        walk: &Walk<'a>,
        offset: usize,
        findings: &mut dyn Findings,
    ) {
        let near = |bridge: &Device<'a>| {
            (path.is_below(&bridge.path) || bridge.path.is_below(&path)).then_some(bridge.path)
        };
        let Some(bridge) = self.storage.iter().take(bridges).find_map(near) else { return };
        let mut next = Some(path);
        while let Some(path) = next.filter(|path| *path != bridge) {
            self.add(path, walk, offset, findings);
            next = path.parent().filter(|path| path.is_below(&bridge));
        }
    }

    /// Fills in what the blocks say about the devices in `storage`.
    fn fill(mut self, findings: &mut dyn Findings) -> Devices<'s, 'a> {
        self.pass(false, findings, |reader, walk, term, findings| match *term {
            Term::Device { path, offset, is_conditional } => {
                reader.define(path, offset, is_conditional, walk, findings);
            }
            Term::Object { scope, name, definition, offset, is_conditional } => {
                let block = walk.block().number;
                let object = Object { definition, is_conditional, block, offset: offset as u32 };
                reader.put(scope, name, object, walk, findings);
            }
            // Only a walk of the root finds it.
            Term::SoftOff { .. } => {}
        });
        let Self { storage, used, steps, .. } = self;
        Devices { stored: storage.get(..used).unwrap_or_default(), steps }
    }

    fn define(
        &mut self,
        path: Path,
        offset: usize,
        is_conditional: bool,
        walk: &Walk<'a>,
        findings: &mut dyn Findings,
    ) {
        let found = self.find(&path).and_then(|index| self.storage.get_mut(index));
        let Some(device) = found else { return };
        if !device.is_defined() {
            device.is_conditional = is_conditional;
            device.block = walk.block().number;
            device.offset = offset as u32;
            return;
        }
        device.is_repeated = true;
        if let Some(name) = path.name().filter(|_| !(device.is_conditional && is_conditional)) {
            walk.report(offset, AmlFaultKind::DeviceTwice { name: name.0 }, findings);
        }
        device.is_conditional &= is_conditional;
    }

    fn put(
        &mut self,
        scope: Path,
        name: ObjectName,
        mut object: Object<'a>,
        walk: &Walk<'a>,
        findings: &mut dyn Findings,
    ) {
        let slot = self.find(&scope).and_then(|index| self.storage.get_mut(index));
        let Some(device) = slot else { return };
        let is_repeated = device.is_repeated;
        let Some(slot) = device.objects.get_mut(name as usize) else { return };
        let letters = name.segment().0;
        let fault = match &object.definition {
            _ if slot.definition != Definition::Absent => {
                // Of several conditional definitions, at most one is a fault only if two conditions hold at once.
                let is_fault = !slot.is_conditional && !object.is_conditional && !is_repeated;
                is_fault.then_some(AmlFaultKind::ObjectTwice { name: letters })
            }
            Definition::Constant(value) if !name.accepts(value) => {
                Some(AmlFaultKind::WrongType { name: letters })
            }
            Definition::Constant(value) if !is_valid(name, value) => {
                Some(AmlFaultKind::TooLarge { name: letters, value: value.integer().unwrap_or(0) })
            }
            Definition::Unusable => Some(AmlFaultKind::NoConstant { name: letters }),
            _ => None,
        };
        if let Some(fault) = fault {
            walk.report(object.offset as usize, fault, findings);
            object.definition = Definition::Unusable;
        }
        if slot.definition == Definition::Absent {
            *slot = object;
        }
    }
}
