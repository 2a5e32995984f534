//! A device of the namespace with its objects.
use units::ProximityDomain;

use crate::eisa_id::is_id;
use crate::object::{Answer, Definition, Object, ObjectName};
use crate::path::Path;
use crate::value::{Buffer, Element, Package, Value};

/// The ids of PCI host bridges: PCI and PCI Express (ACPI 6.5 §5.6.7).
pub(crate) const HOST_BRIDGE_IDS: [&[u8; 7]; 2] = [b"PNP0A03", b"PNP0A08"];

/// The address of a device on its PCI bus, from `_ADR` (ACPI 6.5 §6.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PciAddress {
    /// The device's number, 0 to 31.
    pub device: u8,
    /// The function's number, 0 to 7, or `None` for all functions of the device.
    pub function: Option<u8>,
}

impl PciAddress {
    /// Decodes the value of an `_ADR`, or returns `None` if PCI has no such address.
    #[must_use]
    pub fn from_adr(adr: u64) -> Option<Self> {
        let device = u8::try_from(adr >> 16).ok().filter(|&device| device < 32)?;
        let function = match adr & 0xffff {
            0xffff => None,
            function => Some(u8::try_from(function).ok().filter(|&function| function < 8)?),
        };
        Some(Self { device, function })
    }

    /// Returns true if this address is that function's, or is that of all functions of its device.
    #[must_use]
    pub fn includes(self, device: u8, function: u8) -> bool {
        self.device == device && self.function.is_none_or(|own| own == function)
    }
}

/// A device that AML defines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device<'a> {
    /// The device's path.
    pub path: Path,
    /// True if a condition decides whether the device exists.
    pub is_conditional: bool,
    /// True if the tables define the device twice. Which of its objects exist is then not known.
    pub is_repeated: bool,
    /// The definition block: 0 for the DSDT, or the SSDT's number, counted from 1.
    pub block: u32,
    /// The offset of the device in that table, or 0 if no table defines it, but only adds to it.
    pub offset: u32,
    pub(crate) objects: [Object<'a>; ObjectName::ALL.len()],
}

impl<'a> Device<'a> {
    /// A device without objects, to fill the storage that [`read_devices`](crate::read_devices) takes.
    pub const EMPTY: Self = Self::new(Path::ROOT);

    pub(crate) const fn new(path: Path) -> Self {
        let objects = [Object::ABSENT; ObjectName::ALL.len()];
        Self { path, is_conditional: false, is_repeated: false, block: 0, offset: 0, objects }
    }

    /// Returns true if a table defines the device. Otherwise, the tables only add objects to it.
    #[must_use]
    pub const fn is_defined(&self) -> bool {
        self.offset != 0
    }

    /// Returns an object of the device.
    #[must_use]
    pub fn object(&self, name: ObjectName) -> &Object<'a> {
        self.objects.get(name as usize).unwrap_or(&Object::ABSENT)
    }

    /// Returns what is known about an object's value.
    #[must_use]
    pub fn value(&self, name: ObjectName) -> Answer<Value<'a>> {
        let object = self.object(name);
        match object.definition {
            Definition::Absent => Answer::Absent,
            _ if object.is_conditional || self.is_repeated => Answer::Conditional,
            Definition::Constant(value) => Answer::Constant(value),
            // The limits of a value are those of a constant, so a method with a wrong value stays a method.
            Definition::Method(method) => match method.constant().filter(|value| is_valid(name, value)) {
                Some(value) => Answer::Constant(value),
                None => Answer::Method,
            },
            Definition::Unusable => Answer::Unusable,
        }
    }

    /// Returns an integer. See [`Device::value`].
    fn integer<T: TryFrom<u64>>(&self, name: ObjectName) -> Answer<T> {
        self.value(name).and_then(|value| value.integer()?.try_into().ok())
    }

    /// Returns true if `_HID` or `_CID` names a PCI or PCI Express host bridge.
    #[must_use]
    pub fn is_host_bridge(&self) -> bool {
        [ObjectName::Hid, ObjectName::Cid].map(|name| self.object(name).definition).iter().any(is_bridge_id)
    }

    /// Returns the host bridge's PCI segment group. Without a `_SEG`, it is 0.
    #[must_use]
    pub fn segment(&self) -> Answer<u16> {
        self.integer(ObjectName::Seg)
    }

    /// Returns the number of the host bridge's first bus. Without a `_BBN`, it is 0.
    #[must_use]
    pub fn first_bus(&self) -> Answer<u8> {
        self.integer(ObjectName::Bbn)
    }

    /// Returns the proximity domain from the device's own `_PXM`.
    #[must_use]
    pub fn domain(&self) -> Answer<ProximityDomain> {
        self.integer(ObjectName::Pxm).and_then(|domain| Some(ProximityDomain(domain)))
    }

    /// Returns the device's address on its PCI bus. It has a meaning only below a host bridge.
    #[must_use]
    pub fn pci_address(&self) -> Answer<PciAddress> {
        self.value(ObjectName::Adr).and_then(|value| PciAddress::from_adr(value.integer()?))
    }

    /// Returns the resources: a buffer of resource descriptors, whose windows [`Windows`](crate::Windows) reads.
    #[must_use]
    pub fn resources(&self) -> Answer<Buffer<'a>> {
        self.value(ObjectName::Crs).and_then(|value| match value {
            Value::Buffer(buffer) => Some(buffer),
            _ => None,
        })
    }

    /// Returns the PCI routing table: a package of packages, which [`Routes`](crate::Routes) reads.
    #[must_use]
    pub fn routing(&self) -> Answer<Package<'a>> {
        self.value(ObjectName::Prt).and_then(|value| match value {
            Value::Package(package) => Some(package),
            _ => None,
        })
    }
}

/// Returns true if the object may have this value.
pub(crate) fn is_valid(name: ObjectName, value: &Value<'_>) -> bool {
    name.accepts(value) && value.integer().is_none_or(|value| value <= name.limit())
}

/// Returns true if this definition of a `_HID` or `_CID` names a host bridge.
pub(crate) fn is_bridge_id(definition: &Definition<'_>) -> bool {
    let value = match definition {
        Definition::Constant(value) => Some(*value),
        Definition::Method(method) => method.constant(),
        _ => None,
    };
    let is_one = |value: &Value<'_>| HOST_BRIDGE_IDS.iter().any(|id| is_id(value, id));
    value.is_some_and(|value| match value {
        Value::Package(ids) => ids.elements().any(|id| matches!(id, Element::Value(value) if is_one(&value))),
        value => is_one(&value),
    })
}
