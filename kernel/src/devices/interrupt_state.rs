//! What a device's interrupts are: the kind, and for each whether it has a handler, and where it goes.
use super::interrupt_lines::{LinePlace, SharedLine};
use super::message_table::MessageTable;
use crate::cpu::Cpu;
use crate::cpu::device_vectors::{AttachedHandler, Source};
use crate::sync::{Rank, SpinLock};
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use device_interrupts::Counts;
use pci::{Msi, MsiX};
use spin::Once;

/// The kind of a device's interrupts.
#[derive(Clone, Copy)]
pub enum InterruptKind {
    /// MSI-X.
    MsiX(MsiX, &'static MessageTable),
    /// One message of MSI.
    Msi(Msi),
    /// INTx, by this line.
    Line(&'static SharedLine),
}

/// A handler and, for messages, the source that it is the only handler of. It is written while no CPU knows its address.
struct HandlerMemory(UnsafeCell<MaybeUninit<(Source, AttachedHandler)>>);

// SAFETY: only `Granted::prepare` writes, by its condition while nobody else uses the memory. Source and handler are `Sync`.
unsafe impl Sync for HandlerMemory {}

/// What an interrupt is, and what was counted of it.
pub struct InterruptDescription {
    /// Its kind.
    pub kind: InterruptKind,
    /// Where it goes; `None` without a handler.
    pub place: Option<LinePlace>,
    /// What was counted, in ticks.
    pub counts: Counts,
}

/// One interrupt of a device.
#[derive(Clone, Copy, Default)]
pub struct InterruptSlot {
    /// Where it goes; `None` without a handler. For a line, this is where it went when the handler was attached: the line knows where it
    /// goes now.
    pub place: Option<LinePlace>,
    /// The driver has masked it.
    pub is_masked: bool,
    /// A thread is moving or detaching it, or resets the device. That thread does afterwards what the driver asks of the mask meanwhile.
    pub is_changing: bool,
}

/// The interrupts that a driver has allocated.
pub struct Granted {
    /// Their kind.
    pub kind: InterruptKind,
    /// Each of them.
    pub slots: Vec<InterruptSlot>,
    /// The CPUs that they go to unless the driver says otherwise.
    cpus: Vec<&'static Cpu>,
    memory: Vec<HandlerMemory>,
}

impl Granted {
    /// Returns `count` interrupts without handlers, or `None` if there is no memory.
    pub fn new(kind: InterruptKind, count: usize, cpus: Vec<&'static Cpu>) -> Option<Self> {
        let (mut slots, mut memory) = (Vec::new(), Vec::new());
        slots.try_reserve_exact(count).ok()?;
        memory.try_reserve_exact(count).ok()?;
        slots.resize_with(count, InterruptSlot::default);
        memory.resize_with(count, || HandlerMemory(UnsafeCell::new(MaybeUninit::uninit())));
        Some(Self { kind, slots, cpus, memory })
    }

    /// Stores the handler of an interrupt, and a source for it. Returns the addresses of both, which stay until the value is dropped, or
    /// `None` if there is no such interrupt.
    ///
    /// # Safety
    /// No CPU uses an earlier handler or source of this interrupt.
    pub unsafe fn prepare(
        &self,
        index: usize,
        handler: AttachedHandler,
    ) -> Option<(NonNull<Source>, NonNull<AttachedHandler>)> {
        let memory = NonNull::new(self.memory.get(index)?.0.get().cast::<(Source, AttachedHandler)>())?;
        // SAFETY: the memory is that of a pair, and by this function's condition nobody else uses it. What was there needs no drop.
        unsafe { memory.write((Source::new(0), handler)) };
        // SAFETY: both are fields of the pair that is there now.
        let (source, handler) = unsafe { (&raw mut (*memory.as_ptr()).0, &raw mut (*memory.as_ptr()).1) };
        NonNull::new(source).zip(NonNull::new(handler))
    }

    /// Iterates over the CPUs that this interrupt may go to: over `wanted` alone, or from the one on that the device's node gives it.
    pub fn cpus_for(&self, index: usize, wanted: Option<&'static Cpu>) -> impl Iterator<Item = &'static Cpu> {
        let allowed = if wanted.is_some() { &[] } else { self.cpus.as_slice() };
        let (last, first) = allowed.split_at(index.checked_rem(allowed.len()).unwrap_or(0));
        wanted.into_iter().chain(first.iter().chain(last).copied())
    }

    /// Returns true if the messages are in a table in the device's memory.
    pub fn has_table(&self) -> bool {
        matches!(self.kind, InterruptKind::MsiX(..))
    }

    /// Returns the source and the handler of an interrupt that has a handler.
    fn attached(&self, index: usize) -> Option<(&Source, &AttachedHandler)> {
        self.slots.get(index)?.place?;
        let memory = self.memory.get(index)?.0.get();
        // SAFETY: a slot has a place only behind `prepare`, whose values stay until the next one.
        let (source, handler) = unsafe { (*memory).assume_init_ref() };
        Some((source, handler))
    }
}

/// The interrupts of one device.
pub struct InterruptState {
    /// What the driver has allocated. Handlers look at it, too. Threads that change it also hold the device's `changes`.
    pub granted: SpinLock<Option<Granted>>,
    /// The table of MSI-X, once it was mapped.
    pub table: Once<MessageTable>,
}

impl InterruptState {
    /// Returns the state of a device whose interrupts are off.
    pub const fn new() -> Self {
        Self { granted: SpinLock::new(Rank::Interrupts, None), table: Once::new() }
    }

    /// Returns the number of interrupts that the driver has allocated.
    pub fn count(&self) -> usize {
        self.granted.lock().as_ref().map_or(0, |granted| granted.slots.len())
    }

    /// Calls `work` with one of the interrupts and its kind, or returns `None` if there is no such interrupt.
    pub fn with_slot<T>(
        &self,
        index: usize,
        work: impl FnOnce(InterruptKind, &mut InterruptSlot) -> T,
    ) -> Option<T> {
        let mut granted = self.granted.lock();
        let granted = granted.as_mut()?;
        Some(work(granted.kind, granted.slots.get_mut(index)?))
    }

    /// Returns the source and the handler of an interrupt that has a handler. They stay in memory while the caller holds `changes`.
    pub fn attached(&self, index: usize) -> Option<(NonNull<Source>, NonNull<AttachedHandler>)> {
        let granted = self.granted.lock();
        let (source, handler) = granted.as_ref()?.attached(index)?;
        Some((NonNull::from(source), NonNull::from(handler)))
    }

    /// Keeps the handler of an interrupt from being called from here on, because its driver has failed. Any code may call this.
    pub fn silence(&self, index: usize) {
        let granted = self.granted.lock();
        if let Some((_, handler)) = granted.as_ref().and_then(|granted| granted.attached(index)) {
            handler.silence();
        }
    }

    /// Describes an interrupt, or returns `None` if there is none. Any code may call this.
    pub fn describe(&self, index: usize) -> Option<InterruptDescription> {
        let granted = self.granted.lock();
        let granted = granted.as_ref()?;
        let slot = granted.slots.get(index)?;
        let place = match granted.kind {
            InterruptKind::Line(line) => slot.place.and_then(|_| line.place()),
            _ => slot.place,
        };
        let counts = granted.attached(index).map(|(_, handler)| handler.counts()).unwrap_or_default();
        Some(InterruptDescription { kind: granted.kind, place, counts })
    }
}
