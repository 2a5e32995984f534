//! A function: what its header, its BARs and its capabilities say (PCI 3.0 §6.1).
use pci_types::{PciAddress, StatusRegister};

use crate::bar::{self, COMMAND};
use crate::capability::id;
use crate::message;
use crate::{
    Bar, Capabilities, Capability, Class, ConfigSpace, ExtendedCapabilities, Fault, Msi, MsiX, Problem,
    is_present,
};

const CLASS: u16 = 0x08;
const HEADER: u16 = 0x0c;
/// The bus numbers of a bridge.
pub const BUSES: u16 = 0x18;
const SUBSYSTEM: u16 = 0x2c;
const INTERRUPT: u16 = 0x3c;
/// The pointers to the first capability: of all headers, and of a CardBus bridge's.
const POINTER: u16 = 0x34;
const CARDBUS_POINTER: u16 = 0x14;

/// A vendor with which a function asks to be read again later (PCI Express 6.0 §2.3.2).
const NOT_READY: u32 = 0xffff_0001;

/// A function of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function {
    /// Where it is.
    pub address: PciAddress,
    /// The bridge that leads to it, or `None` on a root bus.
    pub parent: Option<PciAddress>,
    /// The vendor's id.
    pub vendor: u16,
    /// The vendor's id of the device.
    pub device: u16,
    /// The id of the vendor of the card, or 0 if the header does not say.
    pub subsystem_vendor: u16,
    /// That vendor's id of the card, or 0 if the header does not say.
    pub subsystem: u16,
    /// The class.
    pub class: Class,
    /// The revision.
    pub revision: u8,
    /// The kind of the header.
    pub header: Header,
    /// The interrupt pin: 1 to 4 for INTA to INTD, 0 for none.
    pub pin: u8,
    /// The BARs, by number. The upper half of a 64-bit BAR is `None`. A host bridge has none here: while its BARs are
    /// sized, it could not decode, and memory may be behind it.
    pub bars: [Option<Bar>; bar::MOST],
    /// PCI Express.
    pub express: Option<Express>,
    /// MSI.
    pub msi: Option<Msi>,
    /// MSI-X.
    pub msi_x: Option<MsiX>,
}

/// The kind of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// Type 0: a device.
    Device,
    /// Type 1: a bridge to other buses of PCI.
    Bridge {
        /// The bus behind the bridge.
        secondary: u8,
        /// The last bus behind the bridge.
        subordinate: u8,
    },
    /// Type 2: a bridge to CardBus.
    CardBus,
    /// A type that does not exist.
    Unknown,
}

/// The capability of PCI Express.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Express {
    /// Where it starts.
    pub offset: u16,
    /// What the function is.
    pub port: PortType,
}

/// What a function of PCI Express is, as far as it decides what can be behind it (PCI Express 6.0 §7.5.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortType {
    /// A port of the root or of a switch, with one device behind it.
    Downstream,
    /// Anything else.
    Other,
}

impl AsRef<Self> for Function {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsMut<Self> for Function {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl Function {
    /// Walks the function's capabilities.
    pub fn capabilities<'a, C: ConfigSpace>(&self, config: &'a C) -> Option<Capabilities<'a, C>> {
        let pointer = match self.header {
            Header::Unknown => return None,
            Header::CardBus => CARDBUS_POINTER,
            Header::Device | Header::Bridge { .. } => POINTER,
        };
        let status = StatusRegister::new((config.read(self.address, COMMAND) >> 16) as u16);
        status.has_capability_list().then(|| Capabilities::new(config, self.address, pointer))
    }

    /// Walks the function's extended capabilities. Only functions of PCI Express have some.
    pub fn extended_capabilities<'a, C: ConfigSpace>(
        &self,
        config: &'a C,
    ) -> Option<ExtendedCapabilities<'a, C>> {
        self.express.map(|_| ExtendedCapabilities::new(config, self.address))
    }

    /// Returns true if only slot 0 can be used on the bus behind this bridge. Some devices there answer in every slot.
    #[must_use]
    pub fn has_one_slot_behind(&self) -> bool {
        self.express.is_some_and(|express| express.port == PortType::Downstream)
    }
}

/// Reads a function. Returns `None` if there is none, or none that is ready; and whether its device has several functions.
pub fn read(
    config: &impl ConfigSpace,
    address: PciAddress,
    parent: Option<PciAddress>,
    faults: &mut dyn FnMut(Fault),
) -> Option<(Function, bool)> {
    let mut report = |offset, problem| faults(Fault { function: address, offset, problem });
    let ids = config.read(address, 0);
    if ids == NOT_READY {
        report(0, Problem::NotReady);
        return None;
    }
    if !is_present(ids) {
        return None;
    }
    let class = config.read(address, CLASS);
    let header_byte = (config.read(address, HEADER) >> 16) as u8;
    let header = header(config, address, header_byte & 0x7f);
    if header == Header::Unknown {
        report(HEADER, Problem::HeaderType { header: header_byte & 0x7f });
    }
    let mut function = Function {
        address,
        parent,
        vendor: ids as u16,
        device: (ids >> 16) as u16,
        subsystem_vendor: 0,
        subsystem: 0,
        class: Class(class >> 8),
        revision: class as u8,
        header,
        pin: 0,
        bars: [None; bar::MOST],
        express: None,
        msi: None,
        msi_x: None,
    };
    if header != Header::Unknown {
        read_header(config, &mut function, faults);
        read_capabilities(config, &mut function, faults);
    }
    Some((function, header_byte & 0x80 != 0))
}

fn header(config: &impl ConfigSpace, address: PciAddress, header: u8) -> Header {
    match header {
        0 => Header::Device,
        1 => {
            let buses = config.read(address, BUSES);
            Header::Bridge { secondary: (buses >> 8) as u8, subordinate: (buses >> 16) as u8 }
        }
        2 => Header::CardBus,
        _ => Header::Unknown,
    }
}

/// Reads what the kind of the header decides: the card's ids, the interrupt pin, the BARs.
fn read_header(config: &impl ConfigSpace, function: &mut Function, faults: &mut dyn FnMut(Fault)) {
    let address = function.address;
    if function.header == Header::Device {
        let ids = config.read(address, SUBSYSTEM);
        (function.subsystem_vendor, function.subsystem) = (ids as u16, (ids >> 16) as u16);
    }
    match (config.read(address, INTERRUPT) >> 8) as u8 {
        pin @ 0..=4 => function.pin = pin,
        pin => faults(Fault { function: address, offset: INTERRUPT, problem: Problem::Pin { pin } }),
    }
    let bars = match function.header {
        Header::Device if function.class.is_host_bridge() => 0,
        Header::Device => 6,
        Header::Bridge { .. } => 2,
        Header::CardBus => 1,
        Header::Unknown => 0,
    };
    if bars > 0 {
        function.bars = bar::read(config, address, bars, faults);
    }
}

/// Reads the capabilities that the kernel uses, and walks both lists to their ends.
fn read_capabilities(config: &impl ConfigSpace, function: &mut Function, faults: &mut dyn FnMut(Fault)) {
    for capability in function.capabilities(config).into_iter().flatten() {
        match capability {
            Err(fault) => faults(fault),
            Ok(capability) => {
                if let Err(problem) = read_capability(config, function, capability) {
                    faults(Fault { function: function.address, offset: capability.offset, problem });
                }
            }
        }
    }
    for capability in function.extended_capabilities(config).into_iter().flatten() {
        if let Err(fault) = capability {
            faults(fault);
        }
    }
}

/// Reads one capability. Of several with one id, the first counts.
fn read_capability(
    config: &impl ConfigSpace,
    function: &mut Function,
    capability: Capability,
) -> Result<(), Problem> {
    match capability.id {
        id::EXPRESS if function.express.is_none() => {
            // 4: a root port, 6: a downstream port of a switch.
            let port = match capability.register >> 20 & 0xf {
                4 | 6 => PortType::Downstream,
                _ => PortType::Other,
            };
            function.express = Some(Express { offset: capability.offset, port });
        }
        id::MSI if function.msi.is_none() => function.msi = Some(message::msi(capability)?),
        id::MSI_X if function.msi_x.is_none() => {
            function.msi_x = Some(message::msi_x(config, function.address, capability, &function.bars)?);
        }
        _ => {}
    }
    Ok(())
}
