//! The devices of the machine: who owns each, what it may do, its mappings and its interrupts.
use crate::contexts::Owner;
use crate::model::DeviceModel;
use crate::pci::Pci;
use std::cell::RefCell;
use std::rc::Rc;

/// The first id of a device, and the distance to the next.
const FIRST_ID: i32 = 0x2_0001;

/// A model that the machine and the test share.
pub type SharedModel = Rc<RefCell<dyn DeviceModel>>;

/// An interrupt of a device.
#[derive(Clone, Copy, Default)]
pub struct Interrupt {
    /// The handler and its argument.
    pub handler: Option<(unsafe extern "C" fn(*mut std::ffi::c_void) -> u32, usize)>,
    /// The CPU that handles it.
    pub cpu: usize,
    /// It is not delivered.
    pub is_masked: bool,
    /// The device has raised it.
    pub is_pending: bool,
    /// Its handler runs.
    pub is_running: bool,
    /// How often the handler ran since it was attached.
    pub count: u64,
    /// How often it was not the device's.
    pub unclaimed: u64,
    /// How often in a row.
    pub unclaimed_in_a_row: u64,
    /// Its longest run, in nanoseconds of the machine's clock.
    pub longest_ns: u64,
}

/// A device that is plugged in.
pub struct Device {
    /// The id.
    pub id: i32,
    /// What it is.
    pub pci: Pci,
    /// The configuration space.
    pub config: Vec<u8>,
    /// What it does.
    pub model: SharedModel,
    /// The owner.
    pub owner: Option<Owner>,
    /// The sum of `DEVICE_MEMORY`, `DEVICE_IO` and `DEVICE_BUS_MASTER`.
    pub enabled: u32,
    /// It was pulled out.
    pub is_gone: bool,
    /// The kind of its interrupts; 0: none are allocated.
    pub kind: u32,
    /// The interrupts that are allocated.
    pub interrupts: Vec<Interrupt>,
    /// The level of the line.
    pub line: bool,
    /// When the device goes on with its work.
    pub work_at: Option<u64>,
    /// What `Driver_AddDevice` returned.
    pub added: Option<i32>,
}

/// Registers that are mapped to the driver.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    /// The address of the first one.
    pub start: usize,
    /// The device's index.
    pub device: usize,
    /// The BAR.
    pub bar: u32,
    /// The offset of the first register in the BAR.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// The region's pages.
    pub pages: (usize, usize),
    /// How they are cached.
    pub caching: u32,
}

/// All devices and mappings of registers.
#[derive(Default)]
pub struct Devices {
    /// The devices, in the order of their addresses.
    pub all: Vec<Device>,
    /// The mappings that exist.
    pub registers: Vec<Registers>,
}

/// Why an id is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotOwned {
    /// It names no device.
    Stale,
    /// The caller does not own the device.
    Foreign,
}

impl Devices {
    /// Plugs a device in. Returns its index.
    pub fn plug(&mut self, pci: Pci, model: SharedModel) -> usize {
        let index = self.all.len();
        let config = pci.config_space(index);
        self.all.push(Device {
            id: FIRST_ID + index as i32,
            pci,
            config,
            model,
            owner: None,
            enabled: 0,
            is_gone: false,
            kind: 0,
            interrupts: Vec::new(),
            line: false,
            work_at: None,
            added: None,
        });
        index
    }

    /// Returns the index of the device with this id. One that is gone has its id as long as somebody owns it.
    pub fn find(&self, id: i32) -> Option<usize> {
        let index = usize::try_from(id.checked_sub(FIRST_ID)?).ok()?;
        self.all.get(index).filter(|device| !device.is_gone || device.owner.is_some()).map(|_| index)
    }

    /// Returns the index of a device that somebody owns.
    pub fn find_owned(&self, id: i32, owner: Owner) -> Result<usize, NotOwned> {
        let index = self.find(id).ok_or(NotOwned::Stale)?;
        if self.all[index].owner == Some(owner) { Ok(index) } else { Err(NotOwned::Foreign) }
    }

    /// Returns the mapping in whose pages an address lies.
    pub fn registers_at(&self, address: usize) -> Option<Registers> {
        let has = |registers: &&Registers| {
            let (first, bytes) = registers.pages;
            (first..first + bytes).contains(&address)
        };
        self.registers.iter().find(has).copied()
    }
}

impl Device {
    /// Returns true if the device answers in its memory BARs.
    pub fn decodes_memory(&self) -> bool {
        !self.is_gone && self.enabled & abi::DEVICE_MEMORY != 0
    }

    /// Returns true if a match is for this device.
    pub fn matches(&self, wanted: &abi::DeviceMatch) -> bool {
        let is = |wanted: u16, has: u16| wanted == abi::DEVICE_ANY || wanted == has;
        is(wanted.Vendor, self.pci.vendor)
            && is(wanted.Device, self.pci.device)
            && is(wanted.SubVendor, self.pci.subsystem.0)
            && is(wanted.SubDevice, self.pci.subsystem.1)
            && (self.pci.class ^ wanted.Class) & wanted.ClassMask == 0
    }

    /// Returns the indices of the interrupts that are to be delivered.
    pub fn due(&self) -> impl Iterator<Item = (usize, &Interrupt)> {
        let may_send = self.kind == abi::INTERRUPT_INTX || self.enabled & abi::DEVICE_BUS_MASTER != 0;
        let line = self.kind == abi::INTERRUPT_INTX && self.line;
        let is_due = move |interrupt: &Interrupt| {
            may_send
                && (interrupt.is_pending || line)
                && interrupt.handler.is_some()
                && !interrupt.is_masked
                && !interrupt.is_running
        };
        self.interrupts.iter().enumerate().filter(move |(_, interrupt)| is_due(interrupt))
    }
}
