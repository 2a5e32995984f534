//! Interrupts of devices for drivers: allocating, attaching, moving, masking and detaching them.
//!
//! Threads that change a device's interrupts hold its `changes`. They take the lock of its state only for single steps, and wait for other
//! CPUs without it. What masks an interrupt or describes it takes the state's lock alone, so that handlers may do it.
use super::device_registry::Device;
use super::interrupt_cpus;
use super::interrupt_lines::{self, LinePlace, SharedLine};
use super::interrupt_state::{Granted, InterruptKind, InterruptSlot};
use super::message_table::MessageTable;
use super::{config_access, interrupt_routes, message_move};
use crate::arch;
use crate::cpu::device_vectors::{self, AttachedHandler, DeviceHandler};
use crate::cpu::{Cpu, MayWait};
use crate::threads::owner::Owner;
use core::ffi::c_void;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use device_interrupts::Counts;
use pci::{ConfigSpace, MsiXState, command};

/// The kinds that a driver accepts, as bits.
#[derive(Clone, Copy)]
pub struct Kinds {
    /// MSI-X.
    pub msi_x: bool,
    /// MSI.
    pub msi: bool,
    /// INTx.
    pub line: bool,
}

/// Why a kind of interrupts cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unavailable {
    /// The device does not have it.
    NoCapability,
    /// The device does not decode its memory, where the table is.
    MemoryOff,
    /// The table cannot be mapped.
    NoTable,
    /// It has fewer interrupts than the driver needs.
    TooFew,
    /// The device does not keep what is written.
    NotKept,
    /// The device asks for no pin.
    NoPin,
    /// It is not known to which line the pin leads.
    NoRoute(interrupt_routes::NoRoute),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoCapability => "the device does not have it",
            Self::MemoryOff => "the device's memory is not enabled",
            Self::NoTable => "its table cannot be mapped",
            Self::TooFew => "it has fewer interrupts",
            Self::NotKept => "the device does not keep its settings",
            Self::NoPin => "the device has no pin",
            Self::NoRoute(why) => return why.fmt(out),
        })
    }
}

/// What an interrupt is, and what was counted of it.
pub struct InterruptDescription {
    /// Its kind.
    pub kind: InterruptKind,
    /// Where it goes; `None` without a handler.
    pub place: Option<LinePlace>,
    /// What was counted, in ticks.
    pub counts: Counts,
}

/// Turns off what raises interrupts of a device that nobody has allocated: lines may be shared, and a driver of another device must not
/// see this one's. The boot calls this once for each device that a driver may own.
pub fn silence(device: &Device) {
    let Some(config) = config_access::get() else { return };
    turn_off(config, device);
}

fn turn_off(config: &impl ConfigSpace, device: &Device) {
    let function = &device.function;
    if let Some(msi_x) = function.msi_x {
        msi_x.set_state(config, function.address, MsiXState::Off);
    }
    if let Some(msi) = function.msi {
        msi.set_on(config, function.address, false);
    }
    set_pin_off(config, device, true);
}

/// Keeps the device from pulling its line, or lets it. Returns false if the device does not keep that: it is older than PCI 2.3.
fn set_pin_off(config: &impl ConfigSpace, device: &Device, off: bool) -> bool {
    let set = if off { command::NO_PIN } else { 0 };
    let address = device.function.address;
    command::change(config, address, command::NO_PIN, set).is_some()
        && command::change(config, address, 0, 0).is_some_and(|command| command & command::NO_PIN == set)
}

/// Allocates between `least` and `most` interrupts of the best kind that gives as many. Returns their number, or `None`, and changes
/// nothing, if the driver does not own the device, if the device has some already, or if none of the kinds gives `least`. The
/// log has the reason for each kind.
pub fn allocate(
    device: &'static Device,
    owner: &'static Owner,
    least: usize,
    most: usize,
    kinds: Kinds,
) -> Option<usize> {
    let _changes = device.changes.lock();
    let config = config_access::get()?;
    if !device.is_of(owner) || device.interrupts.granted.lock().is_some() {
        return None;
    }
    let cpus = interrupt_cpus::of_device(device.node.map(|node| node.node))?;
    if cpus.is_empty() {
        log::warn!(target: "interrupts", "{}: no CPU can be named by a message", device.function.address);
        return None;
    }
    type Offer = fn(&'static Device) -> Result<(InterruptKind, usize), Unavailable>;
    let offers: [(bool, &str, Offer); 3] = [
        (kinds.msi_x, "MSI-X", offer_msi_x),
        (kinds.msi, "MSI", offer_msi),
        (kinds.line, "INTx", offer_line),
    ];
    for (_, name, offer) in offers.into_iter().filter(|offer| offer.0) {
        let offered = offer(device).and_then(|(kind, count)| match count {
            count if count < least => Err(Unavailable::TooFew),
            count => turn_on(config, device, kind).map(|()| (kind, count.min(most))),
        });
        match offered {
            Ok((kind, count)) => {
                let Some(granted) = Granted::new(kind, count, cpus) else {
                    turn_off(config, device);
                    return None;
                };
                *device.interrupts.granted.lock() = Some(granted);
                return Some(count);
            }
            Err(why) => {
                log::info!(target: "interrupts", "{} gets no {name}: {why}", device.function.address);
            }
        }
    }
    None
}

fn offer_msi_x(device: &'static Device) -> Result<(InterruptKind, usize), Unavailable> {
    let function = &device.function;
    let msi_x = function.msi_x.ok_or(Unavailable::NoCapability)?;
    let command = config_access::get().and_then(|config| command::change(config, function.address, 0, 0));
    if command.is_none_or(|command| command & command::MEMORY == 0) {
        return Err(Unavailable::MemoryOff);
    }
    let map = || MessageTable::map(&msi_x, &function.bars).ok_or(Unavailable::NoTable);
    let table = device.interrupts.table.try_call_once(map)?;
    Ok((InterruptKind::MsiX(msi_x, table), msi_x.vectors.into()))
}

fn offer_msi(device: &'static Device) -> Result<(InterruptKind, usize), Unavailable> {
    // One message: several would need a block of vectors, and would all go to one CPU.
    device.function.msi.map(|msi| (InterruptKind::Msi(msi), 1)).ok_or(Unavailable::NoCapability)
}

fn offer_line(device: &'static Device) -> Result<(InterruptKind, usize), Unavailable> {
    if device.function.pin == 0 {
        return Err(Unavailable::NoPin);
    }
    let number = interrupt_routes::line_of(&device.function).map_err(Unavailable::NoRoute)?;
    let no_line = Unavailable::NoRoute(interrupt_routes::NoRoute::NoIoApic(number));
    Ok((InterruptKind::Line(interrupt_lines::find(number).ok_or(no_line)?), 1))
}

/// Brings the device to the state in which it has this kind of interrupts, all of them masked or without a message.
fn turn_on(config: &impl ConfigSpace, device: &Device, kind: InterruptKind) -> Result<(), Unavailable> {
    turn_off(config, device);
    let address = device.function.address;
    if let InterruptKind::MsiX(msi_x, table) = kind {
        let is_kept = msi_x.set_state(config, address, MsiXState::Masked) && {
            table.mask_all();
            table.set_masked(0, true) && msi_x.set_state(config, address, MsiXState::On)
        };
        if !is_kept {
            turn_off(config, device);
            return Err(Unavailable::NotKept);
        }
    }
    Ok(())
}

/// Attaches a handler to an interrupt, and unmasks it. Without `cpu`, the interrupt goes to the CPU that the device's node gives it. Returns
/// false, and changes nothing, if the driver does not own the device, if there is no such interrupt, if it has a handler, if no vector
/// is free, or if the device does not keep what is written.
///
/// # Safety
/// Until the interrupt is detached, `function` may be called with `context`, with interrupts off, on any CPU.
pub unsafe fn attach(
    device: &'static Device,
    owner: &'static Owner,
    index: usize,
    (function, context): (DeviceHandler, *mut c_void),
    cpu: Option<&'static Cpu>,
    may_wait: &MayWait,
) -> bool {
    let _changes = device.changes.lock();
    if !device.is_of(owner) {
        return false;
    }
    // SAFETY: by this function's condition.
    let handler = unsafe { AttachedHandler::new(function, context, core::ptr::from_ref(owner).cast()) };
    // Only this thread changes the state until it releases `changes`, but handlers look at it.
    let prepared = {
        let granted = device.interrupts.granted.lock();
        let Some(granted) = granted.as_ref() else { return false };
        if granted.slots.get(index).is_none_or(|slot| slot.place.is_some()) {
            return false;
        }
        // SAFETY: the interrupt has no handler, and `detach` has waited for the CPU that ran an earlier one.
        let Some(prepared) = (unsafe { granted.prepare(index, handler) }) else { return false };
        (granted.kind, prepared.0, prepared.1, choose(granted, index, cpu))
    };
    let (kind, source, handler, place) = prepared;
    let place = match (kind, place) {
        (InterruptKind::Line(line), _) => {
            let Some(cpu) = first_cpu(device, index, cpu) else { return false };
            // SAFETY: the handler stays until `detach` or `take_back` has called `remove`.
            if !unsafe { line.add(handler, cpu) } {
                return false;
            }
            line.place()
        }
        (_, Some(place)) => {
            // SAFETY: nobody else knows the source. Both stay until `detach` has waited for the CPU.
            unsafe {
                source.as_ref().add(handler);
                device_vectors::publish(place.cpu, place.vector, source);
            }
            Some(place)
        }
        (_, None) => None,
    };
    let Some(place) = place else { return false };
    let is_on = {
        let mut state = device.interrupts.granted.lock();
        let slot = state.as_mut().and_then(|granted| granted.slots.get_mut(index));
        if let Some(slot) = slot {
            *slot = InterruptSlot { place: Some(place), is_masked: false, is_changing: false };
        }
        // Under the lock, so that a handler that masks its interrupt does so behind this.
        send_to(device, kind, index, place)
    };
    if !is_on {
        detach_locked(device, index, may_wait);
    }
    is_on
}

/// Allocates a vector for a message: on `cpu`, or on the CPU that the device's node gives this interrupt, or the next one that has a
/// free vector.
fn choose(granted: &Granted, index: usize, cpu: Option<&'static Cpu>) -> Option<LinePlace> {
    if matches!(granted.kind, InterruptKind::Line(_)) {
        return None;
    }
    let place = |cpu: &'static Cpu| {
        device_vectors::vectors_of(cpu).allocate().map(|vector| LinePlace { cpu, vector })
    };
    match cpu {
        Some(cpu) => place(cpu),
        None => {
            let cpus = granted.cpus.iter().map(|&cpu| (cpu, ()));
            device_interrupts::by_nearness(cpus, index).find_map(place)
        }
    }
}

/// Returns `cpu`, or the CPU that the device's node gives this interrupt.
fn first_cpu(device: &Device, index: usize, cpu: Option<&'static Cpu>) -> Option<&'static Cpu> {
    let granted = device.interrupts.granted.lock();
    let cpus = &granted.as_ref()?.cpus;
    cpu.or_else(|| cpus.get(index % cpus.len().max(1)).copied())
}

/// Leads an interrupt to its place, and unmasks it. Returns false if the device does not keep that.
fn send_to(device: &Device, kind: InterruptKind, index: usize, place: LinePlace) -> bool {
    let Some(config) = config_access::get() else { return false };
    let address = device.function.address;
    let message = arch::message_to(place.cpu.apic, place.vector);
    match (kind, message) {
        (InterruptKind::MsiX(_, table), Some(message)) => {
            table.set_message(index as u16, message) && table.set_masked(index as u16, false)
        }
        (InterruptKind::Msi(msi), Some(message)) => {
            msi.set_address(config, address, message.address);
            msi.set_data(config, address, message.data as u16);
            (!msi.has_masks || msi.set_masked(config, address, false)) && msi.set_on(config, address, true)
        }
        (InterruptKind::Line(_), _) => {
            // A device without that bit pulls its line anyway.
            set_pin_off(config, device, false);
            true
        }
        (_, None) => false,
    }
}

/// Masks or unmasks an interrupt in the device. Returns false if the device does not keep that, or has no mask.
fn set_masked_in_device(device: &Device, kind: InterruptKind, index: usize, masked: bool) -> bool {
    let Some(config) = config_access::get() else { return false };
    match kind {
        InterruptKind::MsiX(_, table) => table.set_masked(index as u16, masked),
        InterruptKind::Msi(msi) => msi.set_masked(config, device.function.address, masked),
        InterruptKind::Line(_) => set_pin_off(config, device, masked),
    }
}

/// Masks or unmasks an interrupt. Returns false, and changes nothing, if the driver does not own the device, if the interrupt has no
/// handler, or if it cannot be masked, as a message of MSI-X while the device decodes no memory. Any code may call this.
pub fn set_masked(device: &Device, owner: &'static Owner, index: usize, masked: bool) -> bool {
    let mut granted = device.interrupts.granted.lock();
    // Under the lock: whoever takes the device from its driver takes the interrupts under this lock, too.
    let Some(granted) = granted.as_mut().filter(|_| device.is_of(owner)) else { return false };
    let kind = granted.kind;
    let Some(slot) = granted.slots.get_mut(index).filter(|slot| slot.place.is_some()) else { return false };
    let can_be = match kind {
        InterruptKind::Msi(msi) => msi.has_masks,
        // The mask is in the table.
        InterruptKind::MsiX(..) => slot.is_changing || device.decodes_memory.load(Ordering::Relaxed),
        InterruptKind::Line(_) => true,
    };
    if !can_be {
        return false;
    }
    // Whoever changes the interrupt does afterwards what the driver asks here.
    let is_done = slot.is_changing
        || match kind {
            // Another CPU may be writing the command register on the driver's behalf.
            InterruptKind::Line(_) => {
                device.with_config(owner, |config| set_pin_off(config, device, masked)).unwrap_or(false)
            }
            _ => set_masked_in_device(device, kind, index, masked),
        };
    if !is_done {
        return false;
    }
    slot.is_masked = masked;
    true
}

/// Describes an interrupt, or returns `None` if there is none. Any code may call this.
pub fn describe(device: &Device, index: usize) -> Option<InterruptDescription> {
    let granted = device.interrupts.granted.lock();
    let granted = granted.as_ref()?;
    let slot = granted.slots.get(index)?;
    let place = match granted.kind {
        InterruptKind::Line(line) => slot.place.and_then(|_| line.place()),
        _ => slot.place,
    };
    let counts = granted.attached(index).map(|(_, handler)| handler.counts()).unwrap_or_default();
    Some(InterruptDescription { kind: granted.kind, place, counts })
}

/// Lets a device decode its memory, where the messages of MSI-X are, until the value is dropped. The caller holds `changes` meanwhile.
struct MemoryOn<'d> {
    device: &'d Device,
    was_off: bool,
}

impl<'d> MemoryOn<'d> {
    fn new(device: &'d Device) -> Self {
        let on = command::MEMORY;
        let has_table = device.interrupts.granted.lock().as_ref().is_some_and(Granted::has_table);
        // The table's BAR has an address. The others had one when the driver turned memory on, which it did before.
        let before = if has_table { Self::change(device, on) } else { None };
        Self { device, was_off: before.is_some_and(|before| before & on == 0) }
    }

    fn change(device: &Device, value: u16) -> Option<u16> {
        command::change(config_access::get()?, device.function.address, command::MEMORY, value)
    }
}

impl Drop for MemoryOn<'_> {
    fn drop(&mut self) {
        if self.was_off {
            Self::change(self.device, 0);
        }
    }
}

/// Marks an interrupt as changing, which masks it if its kind can be. Returns its kind and its place, or `None` if it has no handler.
fn begin_change(device: &Device, index: usize) -> Option<(InterruptKind, LinePlace)> {
    let mut granted = device.interrupts.granted.lock();
    let granted = granted.as_mut()?;
    let kind = granted.kind;
    let slot = granted.slots.get_mut(index)?;
    let place = slot.place?;
    slot.is_changing = true;
    // A line is masked by whoever moves it.
    if !matches!(kind, InterruptKind::Line(_)) {
        set_masked_in_device(device, kind, index, true);
    }
    Some((kind, place))
}

/// Ends a change: the interrupt goes to `place`, and is masked if the driver asks for that. `work` programs the device before.
fn end_change(device: &Device, index: usize, place: Option<LinePlace>, work: impl FnOnce()) {
    let mut granted = device.interrupts.granted.lock();
    let Some(granted) = granted.as_mut() else { return };
    let kind = granted.kind;
    let Some(slot) = granted.slots.get_mut(index) else { return };
    work();
    slot.place = place;
    slot.is_changing = false;
    let is_masked = slot.is_masked;
    match (kind, place) {
        // Its own mask was not touched.
        (InterruptKind::Line(_), Some(_)) => {
            set_masked_in_device(device, kind, index, is_masked);
        }
        (_, Some(_)) if !is_masked => {
            set_masked_in_device(device, kind, index, false);
        }
        _ => {}
    }
}

/// Moves an interrupt to another CPU, and none is lost. Returns false, and changes nothing, if the driver does not own the device, if the
/// interrupt has no handler, or if that CPU has no free vector.
pub fn set_cpu(
    device: &'static Device,
    owner: &'static Owner,
    index: usize,
    to: &'static Cpu,
    may_wait: &MayWait,
) -> bool {
    let _changes = device.changes.lock();
    let Some(config) = config_access::get().filter(|_| device.is_of(owner)) else { return false };
    let Some(InterruptDescription { kind, place: Some(from), .. }) = describe(device, index) else {
        return false;
    };
    if from.cpu.id == to.id {
        return true;
    }
    let address = device.function.address;
    let _memory_on = MemoryOn::new(device);
    match kind {
        InterruptKind::Line(line) => line.move_to(to, may_wait),
        InterruptKind::Msi(msi) if !msi.has_masks => {
            let Some(source) = source_of(device, index) else { return false };
            // SAFETY: the source stays until `detach` has waited, which needs `changes`.
            let moved =
                unsafe { message_move::move_unmasked(config, address, &msi, source, (from, to), may_wait) };
            if let Some(place) = moved {
                end_change(device, index, Some(place), || ());
            }
            moved.is_some()
        }
        InterruptKind::MsiX(..) | InterruptKind::Msi(_) => {
            let Some(vector) = device_vectors::vectors_of(to).allocate() else { return false };
            let place = LinePlace { cpu: to, vector };
            let (Some(source), Some(message)) = (source_of(device, index), arch::message_to(to.apic, vector))
            else {
                device_vectors::vectors_of(to).free(vector);
                return false;
            };
            begin_change(device, index);
            // The old CPU handles what was sent before the mask.
            device_vectors::wait_for_handlers(from.cpu, may_wait);
            device_vectors::unpublish(from.cpu, from.vector);
            // SAFETY: the source stays until `detach` has waited, which needs `changes`. It is masked, and the old CPU is done with it.
            unsafe { device_vectors::publish(to, vector, source) };
            end_change(device, index, Some(place), || match kind {
                InterruptKind::MsiX(_, table) => {
                    table.set_message(index as u16, message);
                }
                InterruptKind::Msi(msi) => {
                    msi.set_address(config, address, message.address);
                    msi.set_data(config, address, message.data as u16);
                }
                InterruptKind::Line(_) => {}
            });
            // A device that does not care about its mask may have sent more.
            device_vectors::wait_for_handlers(from.cpu, may_wait);
            device_vectors::vectors_of(from.cpu).free(from.vector);
            true
        }
    }
}

fn source_of(device: &Device, index: usize) -> Option<NonNull<crate::cpu::device_vectors::Source>> {
    device.interrupts.granted.lock().as_ref()?.attached(index).map(|(source, _)| NonNull::from(source))
}

/// Masks an interrupt and takes its handler away. On return no CPU runs the handler. Returns false if the driver does not own the device,
/// or if the interrupt has no handler.
pub fn detach(device: &'static Device, owner: &'static Owner, index: usize, may_wait: &MayWait) -> bool {
    let _changes = device.changes.lock();
    device.is_of(owner) && detach_locked(device, index, may_wait)
}

/// Detaches an interrupt. The caller holds `changes`. Returns false if it has no handler.
fn detach_locked(device: &Device, index: usize, may_wait: &MayWait) -> bool {
    let _memory_on = MemoryOn::new(device);
    let Some((kind, place)) = begin_change(device, index) else { return false };
    match kind {
        InterruptKind::Line(line) => detach_from_line(device, index, line, may_wait),
        InterruptKind::Msi(msi) => {
            if let Some(config) = config_access::get() {
                msi.set_on(config, device.function.address, false);
            }
            take_from_cpu(place, may_wait);
        }
        InterruptKind::MsiX(..) => take_from_cpu(place, may_wait),
    }
    end_change(device, index, None, || ());
    true
}

/// Takes a message that the device does not send any more from its CPU.
fn take_from_cpu(LinePlace { cpu, vector }: LinePlace, may_wait: &MayWait) {
    // First, what was sent before the mask is handled.
    device_vectors::wait_for_handlers(cpu, may_wait);
    device_vectors::unpublish(cpu, vector);
    // A device that does not care about its mask may have sent more.
    device_vectors::wait_for_handlers(cpu, may_wait);
    device_vectors::vectors_of(cpu).free(vector);
}

fn detach_from_line(device: &Device, index: usize, line: &SharedLine, may_wait: &MayWait) {
    if let Some(config) = config_access::get() {
        set_pin_off(config, device, true);
    }
    let handler = {
        let granted = device.interrupts.granted.lock();
        granted
            .as_ref()
            .and_then(|granted| granted.attached(index))
            .map(|(_, handler)| NonNull::from(handler))
    };
    if let Some(handler) = handler {
        line.remove(handler, may_wait);
    }
}

/// Takes all interrupts of a device back: their handlers do not run any more, and the device raises none. The caller holds `changes`, and
/// is a thread that may wait. Returns how many the driver had.
pub fn take_back(device: &Device) -> usize {
    let count = granted_count(device);
    if count == 0 {
        return 0;
    }
    let Some(may_wait) = device_vectors::may_wait() else {
        log::error!(target: "interrupts", "{} keeps its interrupts: they are taken back where nobody may wait", device.function.address);
        return 0;
    };
    // First, so that nothing is sent to a vector that is free again, even by a device that does not keep its masks.
    if let Some(config) = config_access::get() {
        turn_off(config, device);
    }
    for index in 0..count {
        detach_locked(device, index, &may_wait);
    }
    // Its memory is freed behind the lock.
    let granted = device.interrupts.granted.lock().take();
    drop(granted);
    count
}

/// Keeps handlers from masking a device's interrupts until [`end_reset`], which does what they ask for. The caller holds `changes`.
pub fn begin_reset(device: &Device) {
    // One by one, so that interrupts are not off for long.
    for index in 0..granted_count(device) {
        with_slot(device, index, |slot| slot.is_changing = true);
    }
}

/// Gives a device that was reset the settings back that it has lost, and its masks. The settings of one that was not reset, or does
/// not answer, stay as they are, but for the masks that were asked for meanwhile. The caller holds `changes`.
pub fn end_reset(device: &Device, is_reset: bool) {
    let Some(config) = config_access::get() else { return };
    let kind = device.interrupts.granted.lock().as_ref().map(|granted| granted.kind);
    let Some(kind) = kind else {
        if is_reset {
            turn_off(config, device);
        }
        return;
    };
    let _memory_on = MemoryOn::new(device);
    if is_reset {
        // A device that does not keep its settings is reported by whoever uses it next.
        let _ = turn_on(config, device, kind);
    }
    for index in 0..granted_count(device) {
        with_slot(device, index, |slot| {
            if let Some(place) = slot.place {
                if is_reset {
                    send_to(device, kind, index, place);
                }
                set_masked_in_device(device, kind, index, slot.is_masked);
            }
            slot.is_changing = false;
        });
    }
}

fn granted_count(device: &Device) -> usize {
    device.interrupts.granted.lock().as_ref().map_or(0, |granted| granted.slots.len())
}

/// Does `work` with one of a device's interrupts.
fn with_slot(device: &Device, index: usize, work: impl FnOnce(&mut InterruptSlot)) {
    if let Some(slot) =
        device.interrupts.granted.lock().as_mut().and_then(|granted| granted.slots.get_mut(index))
    {
        work(slot);
    }
}
