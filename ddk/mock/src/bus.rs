//! What a fake device may do to the machine: access memory that it was given, raise interrupts, and work later.
use crate::finding::Kind;
use crate::iommu::Refused;
use crate::model::Bus;
use crate::regions::pointer;
use crate::world::with;

impl Bus {
    /// Reads memory at a device address. Where the device may not read, the bytes become ones, it returns false, and there is a finding.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let Some(memory) = self.access(address, bytes.len(), false) else {
            bytes.fill(0xff);
            return false;
        };
        // SAFETY: the driver has given the memory to the device, which has so many bytes there. The slice is the model's.
        unsafe { bytes.as_mut_ptr().copy_from(pointer(memory), bytes.len()) };
        true
    }

    /// Writes memory at a device address. Where the device may not write, nothing changes, it returns false, and there is a finding.
    pub fn write(&self, address: u64, bytes: &[u8]) -> bool {
        let Some(memory) = self.access(address, bytes.len(), true) else { return false };
        // SAFETY: the driver has given the memory to the device, which has so many bytes there. The slice is the model's.
        unsafe { pointer(memory).copy_from(bytes.as_ptr(), bytes.len()) };
        true
    }

    /// Reads an array of bytes.
    #[must_use]
    pub fn read_array<const N: usize>(&self, address: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.read(address, &mut bytes);
        bytes
    }

    /// Reads a word of 16 bits, little-endian.
    #[must_use]
    pub fn read_u16(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.read_array(address))
    }

    /// Reads a word of 32 bits, little-endian.
    #[must_use]
    pub fn read_u32(&self, address: u64) -> u32 {
        u32::from_le_bytes(self.read_array(address))
    }

    /// Reads a word of 64 bits, little-endian.
    #[must_use]
    pub fn read_u64(&self, address: u64) -> u64 {
        u64::from_le_bytes(self.read_array(address))
    }

    /// Returns the memory that the device may write: device addresses and bytes. A device that does harm needs them.
    #[must_use]
    pub fn writable(&self) -> Vec<(u64, u64)> {
        with(|world| {
            let mine = |window: &crate::iommu::Window| {
                window.device == self.device && window.direction & abi::DMA_FROM_DEVICE != 0
            };
            let windows = world.iommu.open_windows().filter(|(_, window)| mine(window));
            windows.map(|(address, window)| (address, window.bytes)).collect()
        })
    }

    fn access(&self, address: u64, bytes: usize, is_write: bool) -> Option<usize> {
        with(|world| {
            let device = &world.devices.all[self.device];
            let verb = if is_write { "writes" } else { "reads" };
            let what = || format!("the device {verb} {bytes} bytes at {address:#x}");
            if device.is_gone {
                return None;
            }
            if device.enabled & abi::DEVICE_BUS_MASTER == 0 {
                world.found(Kind::NoBusMaster, format!("{}, but its bus mastering is off", what()));
                return None;
            }
            match world.iommu.access(self.device, address, bytes as u64, is_write) {
                Ok(memory) => Some(memory),
                Err(refused) => {
                    let why = match refused {
                        Refused::Nothing(near) => format!("where it has no memory ({near})"),
                        Refused::Other => "which is another device's memory".into(),
                        Refused::Over(how) => format!("which was {how}"),
                        Refused::Direction(text) => format!("which {text}"),
                    };
                    world.found(Kind::ForeignDma, format!("{}, {why}", what()));
                    None
                }
            }
        })
    }

    /// Raises an interrupt: the vector of MSI-X or MSI. Without bus mastering, or if the driver has no such vector, it is lost.
    pub fn raise(&self, vector: u16) {
        with(|world| {
            let device = &mut world.devices.all[self.device];
            let can_send = device.enabled & abi::DEVICE_BUS_MASTER != 0 && device.kind != abi::INTERRUPT_INTX;
            if let Some(interrupt) = device.interrupts.get_mut(usize::from(vector)).filter(|_| can_send) {
                interrupt.is_pending = true;
            }
        });
    }

    /// Sets the level of the device's line. As long as it is set, the handler is called again and again.
    pub fn set_line(&self, is_set: bool) {
        with(|world| world.devices.all[self.device].line = is_set);
    }

    /// Has [`crate::DeviceModel::work`] called once, soon. With a seed, this may be at any later call or access of the driver.
    pub fn work(&self) {
        self.work_in(0);
    }

    /// Has [`crate::DeviceModel::work`] called once, after this time. An earlier time that was set before stays.
    pub fn work_in(&self, nanoseconds: u64) {
        with(|world| {
            let when = world.clock.now().saturating_add(nanoseconds);
            let work_at = &mut world.devices.all[self.device].work_at;
            *work_at = Some(work_at.map_or(when, |before| before.min(when)));
        });
    }

    /// Returns the time, in nanoseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        with(|world| world.clock.now())
    }
}
