//! Fake devices: what a function of PCI is, and its configuration space (PCI 3.0 §6).

/// Bytes of configuration space.
const CONFIG: usize = 4096;
/// Where capabilities begin.
const CAPABILITIES: usize = 0x40;
/// The capability of PCI Express.
const EXPRESS: u8 = 0x10;
/// The capability of MSI-X.
const MSIX: u8 = 0x11;
/// The capability of MSI.
const MSI: u8 = 0x05;

/// A base address register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bar {
    /// Bytes: a power of two.
    pub bytes: u64,
    /// The `DEVICE_BAR_` flags.
    pub flags: u32,
}

/// A function of PCI that is to be plugged in.
#[derive(Clone, Debug)]
pub struct Pci {
    pub(crate) vendor: u16,
    pub(crate) device: u16,
    pub(crate) subsystem: (u16, u16),
    pub(crate) class: u32,
    pub(crate) revision: u8,
    pub(crate) node: Option<usize>,
    pub(crate) bars: [Option<Bar>; 6],
    pub(crate) msix: u16,
    pub(crate) msi: u16,
    pub(crate) pin: u8,
    pub(crate) is_express: bool,
    pub(crate) has_reset: bool,
    capabilities: Vec<(u8, Vec<u8>)>,
    extended: Vec<(u16, Vec<u8>)>,
    bytes: Vec<(usize, Vec<u8>)>,
}

impl Pci {
    /// Returns a function of PCI Express with these ids, without BARs and interrupts, that can be reset.
    #[must_use]
    pub fn new(vendor: u16, device: u16) -> Self {
        Self {
            vendor,
            device,
            subsystem: (vendor, device),
            class: 0xff_0000,
            revision: 0,
            node: None,
            bars: [None; 6],
            msix: 0,
            msi: 0,
            pin: 0,
            is_express: true,
            has_reset: true,
            capabilities: Vec::new(),
            extended: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Sets the class: base class << 16 | subclass << 8 | interface.
    #[must_use]
    pub fn class(mut self, class: u32) -> Self {
        self.class = class;
        self
    }

    /// Sets the subsystem's ids.
    #[must_use]
    pub fn subsystem(mut self, vendor: u16, device: u16) -> Self {
        self.subsystem = (vendor, device);
        self
    }

    /// Puts the function on a node. Without it, the node is unknown.
    #[must_use]
    pub fn node(mut self, node: usize) -> Self {
        self.node = Some(node);
        self
    }

    /// Adds a 64-bit BAR in memory. The next BAR is its upper half.
    ///
    /// # Panics
    /// If there is no such BAR, or if the size is no power of two.
    #[must_use]
    pub fn memory_bar(mut self, index: usize, bytes: u64) -> Self {
        assert!(index < 5 && bytes.is_power_of_two() && bytes >= 16, "a BAR has a power of two of bytes");
        self.bars[index] = Some(Bar { bytes, flags: abi::DEVICE_BAR_PRESENT | abi::DEVICE_BAR_64 });
        self
    }

    /// Adds a 32-bit BAR in memory.
    ///
    /// # Panics
    /// If there is no such BAR, or if the size is no power of two.
    #[must_use]
    pub fn memory_bar_32(mut self, index: usize, bytes: u64) -> Self {
        assert!(index < 6 && bytes.is_power_of_two() && bytes >= 16, "a BAR has a power of two of bytes");
        self.bars[index] = Some(Bar { bytes, flags: abi::DEVICE_BAR_PRESENT });
        self
    }

    /// Gives the function so many vectors of MSI-X.
    #[must_use]
    pub fn msix(mut self, vectors: u16) -> Self {
        self.msix = vectors;
        self
    }

    /// Gives the function so many vectors of MSI.
    #[must_use]
    pub fn msi(mut self, vectors: u16) -> Self {
        self.msi = vectors;
        self
    }

    /// Gives the function a line, by the pin 1 to 4.
    #[must_use]
    pub fn line(mut self, pin: u8) -> Self {
        self.pin = pin;
        self
    }

    /// Makes it a function of conventional PCI, which reaches memory below 4 GiB.
    #[must_use]
    pub fn conventional(mut self) -> Self {
        self.is_express = false;
        self
    }

    /// Takes the function-level reset away.
    #[must_use]
    pub fn without_reset(mut self) -> Self {
        self.has_reset = false;
        self
    }

    /// Adds a capability: its id, and the bytes behind id and next pointer.
    #[must_use]
    pub fn capability(mut self, id: u8, body: &[u8]) -> Self {
        self.capabilities.push((id, body.to_vec()));
        self
    }

    /// Adds an extended capability: its id, and the bytes behind its head of 4 bytes.
    #[must_use]
    pub fn extended_capability(mut self, id: u16, body: &[u8]) -> Self {
        self.extended.push((id, body.to_vec()));
        self
    }

    /// Replaces bytes of configuration space, whatever else they would be. A device may lie.
    #[must_use]
    pub fn config(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.bytes.push((offset, bytes.to_vec()));
        self
    }

    /// Returns the configuration space of the function in this slot.
    pub(crate) fn config_space(&self, slot: usize) -> Vec<u8> {
        let mut config = vec![0; CONFIG];
        let mut put = |offset: usize, bytes: &[u8]| config[offset..][..bytes.len()].copy_from_slice(bytes);
        put(0, &self.vendor.to_le_bytes());
        put(2, &self.device.to_le_bytes());
        put(8, &(self.class << 8 | u32::from(self.revision)).to_le_bytes());
        put(0x2c, &self.subsystem.0.to_le_bytes());
        put(0x2e, &self.subsystem.1.to_le_bytes());
        put(0x3d, &[self.pin]);
        for index in 0..6 {
            put(0x10 + 4 * index, &(self.bar_address(slot, index) as u32).to_le_bytes());
        }
        let mut all = self.capabilities.clone();
        if self.is_express {
            let reset = if self.has_reset { 1 << 28 } else { 0_u32 };
            all.push((EXPRESS, [&[2, 0][..], &reset.to_le_bytes(), &[0; 52]].concat()));
        }
        if self.msix > 0 {
            all.push((MSIX, [&(self.msix - 1).to_le_bytes()[..], &[0; 8]].concat()));
        }
        if self.msi > 0 {
            let control = (self.msi.ilog2() as u16) << 1 | 1 << 7;
            all.push((MSI, [&control.to_le_bytes()[..], &[0; 20]].concat()));
        }
        let (mut at, mut link) = (CAPABILITIES, 0x34);
        for (id, body) in &all {
            put(link, &[at as u8]);
            put(at, &[*id, 0]);
            put(at + 2, body);
            link = at + 1;
            at = (at + 2 + body.len()).next_multiple_of(4);
        }
        if !all.is_empty() {
            put(6, &[1 << 4]);
        }
        let mut at = 0x100;
        for (index, (id, body)) in self.extended.iter().enumerate() {
            let end = (at + 4 + body.len()).next_multiple_of(4);
            let next = if index + 1 < self.extended.len() { end } else { 0 };
            put(at, &(u32::from(*id) | 1 << 16 | (next as u32) << 20).to_le_bytes());
            put(at + 4, body);
            at = end;
        }
        for (offset, bytes) in &self.bytes {
            put(*offset, bytes);
        }
        config
    }

    /// Returns the address of a BAR; 0 if there is none.
    pub(crate) fn bar_address(&self, slot: usize, index: usize) -> u64 {
        self.bars[index].map_or(0, |_| 0xc000_0000 + (slot as u64) * 0x0100_0000 + (index as u64) * 0x20_0000)
    }
}

/// Returns the offset of the next capability behind `after`, or of the first one for 0.
pub fn find_capability(config: &[u8], id: u32, after: u32) -> Option<u32> {
    let word = |at: usize| u32::from_le_bytes(config[at..at + 4].try_into().expect("these are 4 bytes"));
    let list: Vec<(u32, usize)> = if id & abi::DEVICE_CAPABILITY_EXTENDED != 0 {
        let next = |(_, at): &(u32, usize)| match (word(*at) >> 20) as usize & !3 {
            next @ 0x100.. => Some((word(next) & 0xffff | abi::DEVICE_CAPABILITY_EXTENDED, next)),
            _ => None,
        };
        let first = (word(0x100) & 0xffff | abi::DEVICE_CAPABILITY_EXTENDED, 0x100);
        std::iter::successors((word(0x100) != 0).then_some(first), next).take(960).collect()
    } else {
        let at = |pointer: u8| {
            let at = usize::from(pointer & !3);
            (at >= CAPABILITIES).then(|| (u32::from(config[at]), at))
        };
        let first = if config[6] & 1 << 4 == 0 { None } else { at(config[0x34]) };
        std::iter::successors(first, |(_, here)| at(config[here + 1])).take(48).collect()
    };
    let behind = match after {
        0 => 0,
        _ => list.iter().position(|(_, at)| *at == after as usize)? + 1,
    };
    list[behind..].iter().find(|(found, _)| *found == id).map(|(_, at)| *at as u32)
}
