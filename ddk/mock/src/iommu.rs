//! What each device may access: the memory that the driver has allocated or mapped for it, under addresses that are no pointers.
use crate::regions::PAGE;
use std::collections::BTreeMap;

/// The addresses below 4 GiB begin here.
const LOW: u64 = 0x0100_0000;
/// The addresses above 4 GiB begin here.
const HIGH: u64 = 0x11_0000_0000;

/// Memory that a device may access.
#[derive(Clone, Debug)]
pub struct Window {
    /// The device's index.
    pub device: usize,
    /// Bytes.
    pub bytes: u64,
    /// The host's address.
    pub memory: usize,
    /// The sum of `DMA_TO_DEVICE` and `DMA_FROM_DEVICE`.
    pub direction: u32,
    /// It is memory of `Kernel_AllocateDma`; otherwise of `Kernel_MapDma`.
    pub is_grant: bool,
    /// The test has mapped it, as a user of a block device.
    pub is_tests: bool,
    /// The node and pages of a grant.
    pub taken: (usize, u64),
    /// The device may not access it any more.
    pub is_over: bool,
}

/// Why a device may not access memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Nothing is there, or something that ends before: what lies nearest.
    Nothing(String),
    /// It is another device's.
    Other,
    /// It was granted, and freed or unmapped since.
    Over(&'static str),
    /// The device may only read it, or only write it.
    Direction(&'static str),
}

/// The windows of all devices, by their address. No address is used twice.
#[derive(Debug)]
pub struct Iommu {
    windows: BTreeMap<u64, Window>,
    next_low: u64,
    next_high: u64,
}

impl Default for Iommu {
    fn default() -> Self {
        Self { windows: BTreeMap::new(), next_low: LOW, next_high: HIGH }
    }
}

/// Where a window may lie.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A power of two.
    pub alignment: u64,
    /// A power of two that the window crosses no multiple of; 0: none.
    pub boundary: u64,
    /// The highest address of the last byte.
    pub highest: u64,
}

impl Iommu {
    /// Finds an address for a window. Returns `None` if there is none below the limit.
    pub fn place(&mut self, bytes: u64, limits: Limits) -> Option<u64> {
        let next = if limits.highest < HIGH + (1 << 40) { &mut self.next_low } else { &mut self.next_high };
        let mut address = next.checked_next_multiple_of(limits.alignment.max(PAGE as u64))?;
        let crosses = |address: u64| address / limits.boundary != (address + bytes - 1) / limits.boundary;
        if limits.boundary != 0 && crosses(address) {
            address = address.checked_next_multiple_of(limits.boundary.max(limits.alignment))?;
        }
        let end = address.checked_add(bytes)?;
        if end - 1 > limits.highest || (limits.highest < HIGH && end > HIGH) {
            return None;
        }
        // A page that is nobody's lies behind each window.
        *next = end.next_multiple_of(PAGE as u64) + PAGE as u64;
        Some(address)
    }

    /// Opens a window at an address.
    pub fn open(&mut self, address: u64, window: Window) {
        self.windows.insert(address, window);
    }

    /// Closes the window at an address. Returns it as it was, or `None` if there is none of this kind.
    pub fn close(&mut self, address: u64, is_grant: bool) -> Option<Window> {
        let window = self.windows.get_mut(&address)?;
        if window.is_over || window.is_grant != is_grant {
            return None;
        }
        let before = window.clone();
        window.is_over = true;
        Some(before)
    }

    /// Returns the windows that are open.
    pub fn open_windows(&self) -> impl Iterator<Item = (u64, &Window)> {
        self.windows.iter().filter(|(_, window)| !window.is_over).map(|(address, window)| (*address, window))
    }

    /// Returns where a device reads or writes memory.
    pub fn access(&self, device: usize, address: u64, bytes: u64, is_write: bool) -> Result<usize, Refused> {
        let Some((start, window)) = self.windows.range(..=address).next_back() else {
            return Err(Refused::Nothing("nothing".into()));
        };
        let offset = address - start;
        if offset.checked_add(bytes).is_none_or(|end| end > window.bytes) {
            let near = format!("nearest are {} bytes at {start:#x}", window.bytes);
            return Err(Refused::Nothing(near));
        }
        if window.device != device {
            return Err(Refused::Other);
        }
        if window.is_over {
            return Err(Refused::Over(if window.is_grant { "freed" } else { "unmapped" }));
        }
        let (needed, text) = if is_write {
            (abi::DMA_FROM_DEVICE, "is for the device to read only")
        } else {
            (abi::DMA_TO_DEVICE, "is for the device to write only")
        };
        if window.direction & needed == 0 {
            return Err(Refused::Direction(text));
        }
        Ok(window.memory + offset as usize)
    }
}
