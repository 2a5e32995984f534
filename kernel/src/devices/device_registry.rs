//! The devices by id: what each is, and which driver owns it.
use super::config_access::{self, ConfigAccess};
use super::interrupt_state::InterruptState;
use super::report_refused::{self, Misuse};
use crate::sync::{Rank, SpinLock};
use crate::threads::Mutex;
use crate::threads::owner::Owner;
use crate::threads::used_kinds::UsedKind;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use device_claims::{Claim, DeviceId};
use device_nodes::{DeviceNode, LocatedFunction};
use dma_grants::KeptPages;
use pci::{CapabilityId, Function, Header, KernelRegisters, PciAddress, command};
use spin::Once;

/// The first generation of each slot. A device that goes leaves its slot empty, so there is no other one.
const GENERATION: u32 = 1;

/// One device: a function of PCI.
pub struct Device {
    /// What the function says about itself.
    pub function: Function,
    /// Its node, or `None` if that is unknown.
    pub node: Option<DeviceNode>,
    /// The registers that no driver may write.
    pub registers: KernelRegisters,
    /// Its interrupts.
    pub interrupts: InterruptState,
    /// Held by the thread that changes what the device may do, what is mapped of it, or who owns it.
    pub changes: Mutex<()>,
    /// Held for a write to configuration space on a driver's behalf. Nobody else gets the device meanwhile.
    writes: SpinLock<()>,
    /// The function decodes its memory. Changed by whoever holds `changes` and sets the command register; handlers look at it.
    pub decodes_memory: AtomicBool,
    /// Pages for DMA that the driver has freed. The next requests take them.
    pub kept_pages: KeptPages,
    /// The number of grants of DMA memory for it, with those that are kept. It changes under the lock of the grant's table.
    pub grants: AtomicUsize,
    /// The pages of these grants.
    pub granted_pages: AtomicU64,
    id: DeviceId,
    claim: Claim,
    /// Nothing answers at its address any more. Set under `changes`, and never reset.
    is_lost: AtomicBool,
    /// Its owner's `Driver_AddDevice` has not been judged yet.
    is_being_added: AtomicBool,
}

/// All devices, in ascending order of their addresses.
static DEVICES: Once<Vec<Device>> = Once::new();

/// Enters the functions that the scan has found. If there is no memory for all, the last ones are left out, and the log says so. Called
/// once, at boot.
pub fn init(functions: &[LocatedFunction]) {
    let Some(config) = config_access::get() else { return };
    let (mut devices, count) = (Vec::new(), functions.len());
    let room = if devices.try_reserve_exact(count).is_ok() { count } else { 0 };
    for (slot, LocatedFunction { function, node }) in functions[..room].iter().enumerate() {
        let Some(id) = DeviceId::new(slot, GENERATION) else { break };
        devices.push(Device::new(config, id, *function, *node));
    }
    if devices.len() < count {
        log::error!(target: "devices", "there is no memory for {} devices; drivers do not get them", count - devices.len());
    }
    DEVICES.call_once(|| devices);
}

/// Returns all devices, in ascending order of their addresses.
pub fn all() -> &'static [Device] {
    DEVICES.get().map_or(&[], |devices| devices)
}

/// Returns the devices that the driver owns, in ascending order of their addresses. A driver that has never owned one costs no search.
pub fn owned_by(owner: &'static Owner) -> impl Iterator<Item = &'static Device> {
    let devices = if owner.used().has(UsedKind::Devices) { all() } else { &[] };
    devices.iter().filter(move |device| device.is_of(owner))
}

/// Returns the device at this address. It may belong to anyone.
pub fn at(address: PciAddress) -> Option<&'static Device> {
    let index = all().binary_search_by_key(&address, |device| device.function.address).ok()?;
    all().get(index)
}

/// Returns the device with the id that a driver passed. It may belong to anyone. Any code may call this.
pub fn find(id: c_int) -> Option<&'static Device> {
    entry(id).filter(|device| !device.is_gone())
}

/// Returns the device with this id, also if it is gone.
#[inline]
fn entry(id: c_int) -> Option<&'static Device> {
    let id = DeviceId::from_int(id)?;
    all().get(id.slot()).filter(|device| device.id == id)
}

/// Returns the device with the id that `owner` passed to `function`, an export. If there is no such device, or if it is not the
/// driver's, that is reported the first time. Any code may call this.
#[inline]
pub fn find_owned(id: c_int, owner: &'static Owner, function: &'static str) -> Option<&'static Device> {
    match entry(id) {
        Some(device) if device.is_of(owner) => Some(device),
        Some(device) if !device.is_gone() => {
            let address = device.function.address;
            report_refused::report(
                owner,
                Misuse::ForeignDevice,
                format_args!("passed {id} to {function}: it does not own {address}"),
            );
            None
        }
        _ => {
            report_refused::report(
                owner,
                Misuse::NoDevice,
                format_args!("passed {id} to {function}, which is no device"),
            );
            None
        }
    }
}

impl Device {
    fn new(config: &ConfigAccess, id: DeviceId, function: Function, node: Option<DeviceNode>) -> Self {
        let claim = if is_kernels(&function) { Claim::kernel() } else { Claim::free() };
        Self {
            registers: KernelRegisters::of(config, &function),
            interrupts: InterruptState::new(),
            changes: Mutex::new(()),
            writes: SpinLock::new(Rank::DeviceWrites, ()),
            decodes_memory: AtomicBool::new(
                command::change(config, function.address, 0, 0)
                    .is_some_and(|command| command & command::MEMORY != 0),
            ),
            kept_pages: KeptPages::new(),
            grants: AtomicUsize::new(0),
            granted_pages: AtomicU64::new(0),
            function,
            node,
            id,
            claim,
            is_lost: AtomicBool::new(false),
            is_being_added: AtomicBool::new(false),
        }
    }

    /// Returns the number that drivers know the device by.
    pub fn id(&self) -> c_int {
        self.id.to_int()
    }

    /// Returns the device's slot: a dense index from 0, for tables that have an entry for each device.
    pub fn slot(&self) -> usize {
        self.id.slot()
    }

    /// Returns true if the driver owns the device and is not giving it back. Any code may call this.
    #[inline]
    pub fn is_of(&self, owner: &'static Owner) -> bool {
        self.claim.is_of(owner.key())
    }

    /// Returns the driver that owns the device, also while it gives the device back. Any code may call this.
    pub fn owner(&self) -> Option<&'static Owner> {
        // SAFETY: `claim` alone changes a claim's owner, to a key that `Owner::key` has made.
        self.claim.owner().map(|key| unsafe { Owner::from_key(key) })
    }

    /// Returns true if the kernel owns the device for good.
    pub fn is_kernels(&self) -> bool {
        self.claim.is_kernels()
    }

    /// Makes the driver the owner of the device. Waits while another thread changes the device. Returns false, and changes nothing, if it is
    /// another's, or lost.
    pub fn claim(&self, owner: &'static Owner) -> bool {
        let _changes = self.changes.lock();
        self.claim_locked(owner)
    }

    /// Does the work of [`Device::claim`]. The caller holds `changes`.
    fn claim_locked(&self, owner: &'static Owner) -> bool {
        // Before the driver has the device: see `owned_by`.
        owner.used().note(UsedKind::Devices);
        !self.is_lost() && self.claim.claim(owner.key()).is_ok()
    }

    /// Claims the device for a driver whose `Driver_AddDevice` is to be called. Until [`Device::end_adding`], its loss is not handled.
    /// Returns false, and changes nothing, if it is another's, or lost.
    pub fn begin_adding(&self, owner: &'static Owner) -> bool {
        let _changes = self.changes.lock();
        let is_claimed = self.claim_locked(owner);
        if is_claimed {
            self.is_being_added.store(true, Ordering::Relaxed);
        }
        is_claimed
    }

    /// Notes that the driver's `Driver_AddDevice` was judged: it has the device, or was called in vain.
    pub fn end_adding(&self) {
        let _changes = self.changes.lock();
        self.is_being_added.store(false, Ordering::Relaxed);
    }

    /// Returns true if nothing answers at the device's address. A device of the kernel's, as a bridge is, counts as present: nobody looks.
    pub fn is_absent(&self) -> bool {
        let is_absent =
            |config: &ConfigAccess| command::change(config, self.function.address, 0, 0).is_none();
        !self.is_kernels() && config_access::get().is_some_and(is_absent)
    }

    /// Notes that the device is lost: nobody can claim it any more. Returns false, and changes nothing, if it answers, if its loss is known, if
    /// its owner is not the one named, or if that one's `Driver_AddDevice` was not judged yet. While a thread resets the device, this waits.
    pub fn begin_loss(&self, owner: Option<&'static Owner>) -> bool {
        let _changes = self.changes.lock();
        let is_expected = self.owner().map(core::ptr::from_ref) == owner.map(core::ptr::from_ref);
        is_expected
            && !self.is_being_added.load(Ordering::Relaxed)
            && self.is_absent()
            && !self.is_lost.swap(true, Ordering::Relaxed)
    }

    /// Returns true if the device is lost. Its driver may still have it.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Returns true if the device is lost and nobody has it any more: its id finds nothing.
    pub fn is_gone(&self) -> bool {
        self.is_lost() && self.claim.is_free()
    }

    /// Begins to take the device from its owner, which may use it no more. Returns false if the driver does not own it. The caller holds
    /// `changes`, takes back what the driver has of the device, and then calls [`Device::finish_release`].
    pub fn begin_release(&self, owner: &'static Owner) -> bool {
        let _writes = self.writes.lock();
        self.claim.begin_release(owner.key())
    }

    /// Makes the device free for another owner.
    pub fn finish_release(&self) {
        self.claim.finish_release();
    }

    /// Does `work` with configuration space if the driver owns the device. Nobody else gets the device meanwhile. Any code may call this,
    /// and `work` takes no time.
    pub fn with_config<T>(&self, owner: &'static Owner, work: impl FnOnce(&ConfigAccess) -> T) -> Option<T> {
        let config = config_access::get()?;
        let _writes = self.writes.lock();
        self.is_of(owner).then(|| work(config))
    }

    /// Does `work` with the configuration space of a device of the kernel's, as a bridge is. Any number of threads may do so at once, and `work`
    /// takes no time.
    pub fn with_kernels_config<T>(&self, work: impl FnOnce(&ConfigAccess) -> T) -> Option<T> {
        let config = config_access::get()?;
        let _writes = self.writes.lock();
        self.is_kernels().then(|| work(config))
    }
}

/// Returns the offset of the function's first capability with this id behind the one at `after`, or of the first one at all. Any code may
/// call this.
pub fn find_capability(function: &Function, id: CapabilityId, after: Option<u16>) -> Option<u16> {
    pci::find_capability(config_access::get()?, function, id, after)
}

/// Returns true if no driver can own the function. Bridges are the kernel's way to other devices, and an unknown function may be one.
fn is_kernels(function: &Function) -> bool {
    function.header != Header::Device || function.class.is_host_bridge()
}
