//! Lines: interrupts that devices share, through an I/O APIC. A line goes to one CPU, where all of its handlers run in turn.
use super::io_apics;
use crate::arch::LineTrigger;
use crate::cpu::device_vectors::{self, AttachedHandler, Source};
use crate::cpu::{self, Cpu, MayWait};
use crate::threads::Mutex;
use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use units::CpuId;

/// How often the CPU looks whether a line's last interrupt has ended. It has, unless the I/O APIC is broken.
const PATIENCE: u32 = 100_000;

/// Where a line, or a message, goes.
#[derive(Clone, Copy)]
pub struct LinePlace {
    /// The CPU.
    pub cpu: &'static Cpu,
    /// The vector there.
    pub vector: u8,
}

/// A line.
pub struct SharedLine {
    /// Its global number.
    number: u32,
    /// When it interrupts.
    trigger: LineTrigger,
    source: Source,
    /// Where the line goes: the CPU's index and 1, above the vector; 0 if no handler is attached. Any code may read it.
    place_word: AtomicU64,
    /// Held by the thread that changes the line's place or its list of handlers.
    changes: Mutex<()>,
}

/// The lines that were ever used. They are never freed.
static LINES: Mutex<Vec<&'static SharedLine>> = Mutex::new(Vec::new());

/// The line that the kernel keeps for itself. It changes while [`LINES`] is locked.
static KEPT: AtomicU32 = AtomicU32::new(NO_LINE);
const NO_LINE: u32 = u32::MAX;

/// Keeps a line that was never used from all devices, in place of the one that was kept before. Returns false, and changes nothing, if an
/// I/O APIC does not have it, or if it was used.
pub fn keep(number: u32) -> bool {
    let lines = LINES.lock();
    let is_free = io_apics::has(number) && !lines.iter().any(|line| line.number == number);
    if is_free {
        KEPT.store(number, Ordering::Relaxed);
    }
    is_free
}

/// Gives the line back that the kernel keeps.
pub fn give_back() {
    let _lines = LINES.lock();
    KEPT.store(NO_LINE, Ordering::Relaxed);
}

/// Masks the line of a source whose interrupts nobody claims. Called in its interrupt.
pub fn mask_unclaimed(source: &Source) {
    let Some(number) = source.name.checked_sub(1).and_then(|number| u32::try_from(number).ok()) else {
        return;
    };
    io_apics::set_masked(number, true);
    let limit = device_interrupts::STREAK_LIMIT;
    log::warn!(target: "interrupts", "line {number} is masked: no handler has claimed {limit} interrupts in a row");
}

/// Returns the line with this global number. Returns `None` if no I/O APIC has it, if the kernel keeps it, if it is in use and interrupts
/// otherwise, or if there is no memory.
pub fn find(number: u32, trigger: LineTrigger) -> Option<&'static SharedLine> {
    let mut lines = LINES.lock();
    if let Some(line) = lines.iter().find(|line| line.number == number) {
        return (line.trigger == trigger).then_some(*line);
    }
    if !io_apics::has(number) || number == KEPT.load(Ordering::Relaxed) {
        return None;
    }
    lines.try_reserve(1).ok()?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(1).ok()?;
    let source = Source::new(u64::from(number) + 1);
    memory.push(SharedLine {
        number,
        trigger,
        source,
        place_word: AtomicU64::new(0),
        changes: Mutex::new(()),
    });
    let line = memory.leak().first()?;
    lines.push(line);
    Some(line)
}

impl SharedLine {
    /// Adds a handler, and returns where the line goes. The first one brings the line to `cpu` and unmasks it; later ones go where the line
    /// is. A line that was masked because nobody claimed it is unmasked. Returns `None`, and changes nothing, if the CPU has no free vector.
    ///
    /// # Safety
    /// The handler stays in memory until [`SharedLine::remove`] has returned.
    pub unsafe fn add(
        &'static self,
        handler: NonNull<AttachedHandler>,
        cpu: &'static Cpu,
    ) -> Option<LinePlace> {
        let _changes = self.changes.lock();
        let place = self.place().or_else(|| self.bring_to(cpu))?;
        // SAFETY: `changes` is held, under which alone lists of lines change. The handler stays in memory by this function's condition, which
        // `remove` fulfills only behind a wait.
        unsafe { self.source.add(handler) };
        io_apics::set_masked(self.number, false);
        Some(place)
    }

    /// Brings a line that goes nowhere to this CPU, and leaves it masked. Returns `None` if the CPU has no free vector. The caller holds
    /// `changes`.
    fn bring_to(&'static self, cpu: &'static Cpu) -> Option<LinePlace> {
        let vectors = device_vectors::vectors_of(cpu);
        let vector = vectors.allocate()?;
        if !io_apics::route(self.number, self.trigger, cpu.apic, vector) {
            vectors.free(vector);
            return None;
        }
        // SAFETY: a line is never freed. The line is masked, so no other CPU handles it.
        unsafe { device_vectors::publish(cpu, vector, NonNull::from(&self.source)) };
        let place = LinePlace { cpu, vector };
        self.set_place(Some(place));
        Some(place)
    }

    /// Removes a handler. On return no CPU runs it. The last one takes the line from its CPU.
    pub fn remove(&self, handler: NonNull<AttachedHandler>, may_wait: &MayWait) {
        let _changes = self.changes.lock();
        let Some(LinePlace { cpu, vector }) = self.place() else { return };
        // SAFETY: `changes` is held, under which alone lists of lines change.
        unsafe { self.source.remove(handler) };
        let is_last = self.source.is_empty();
        if is_last {
            self.silence(cpu, may_wait);
            device_vectors::unpublish(cpu, vector);
        }
        device_vectors::wait_for_handlers(cpu, may_wait);
        if is_last {
            device_vectors::vectors_of(cpu).free(vector);
            self.set_place(None);
        }
    }

    /// Brings the line, with all of its handlers, to another CPU. None of its interrupts is lost: a device keeps its line low until its
    /// handler has run. Returns false, and changes nothing, if that CPU has no free vector, or if the line has no handler.
    pub fn move_to(&'static self, to: &'static Cpu, may_wait: &MayWait) -> bool {
        let _changes = self.changes.lock();
        let Some(LinePlace { cpu: from, vector: old }) = self.place() else { return false };
        if from.id == to.id {
            return true;
        }
        let Some(new) = device_vectors::vectors_of(to).allocate() else { return false };
        self.silence(from, may_wait);
        device_vectors::unpublish(from, old);
        // SAFETY: a line is never freed. It is masked, and the old CPU has handled what had reached it.
        unsafe { device_vectors::publish(to, new, NonNull::from(&self.source)) };
        // `to` was reachable when it was chosen, and the I/O APIC has the line.
        io_apics::route(self.number, self.trigger, to.apic, new);
        self.set_place(Some(LinePlace { cpu: to, vector: new }));
        io_apics::set_masked(self.number, false);
        device_vectors::wait_for_handlers(from, may_wait);
        device_vectors::vectors_of(from).free(old);
        true
    }

    /// Masks the line, and waits until its CPU has handled and ended what had reached it: an entry that changes while its interrupt is in
    /// service does not see the end.
    fn silence(&self, cpu: &Cpu, may_wait: &MayWait) {
        io_apics::set_masked(self.number, true);
        device_vectors::wait_for_handlers(cpu, may_wait);
        let mut looks = (0..PATIENCE).map(|_| io_apics::is_in_service(self.number));
        if looks.all(|is_in_service| is_in_service) {
            log::warn!(target: "interrupts", "the last interrupt of line {} does not end", self.number);
        }
    }

    /// Returns where the line goes. Any code may call this.
    pub fn place(&self) -> Option<LinePlace> {
        let word = self.place_word.load(Ordering::Relaxed);
        let cpu = cpu::get(CpuId(u32::try_from((word >> 8).checked_sub(1)?).ok()?))?;
        Some(LinePlace { cpu, vector: word as u8 })
    }

    /// The caller holds `changes`.
    fn set_place(&self, place: Option<LinePlace>) {
        let word = |place: LinePlace| (u64::from(place.cpu.id.0) + 1) << 8 | u64::from(place.vector);
        self.place_word.store(place.map_or(0, word), Ordering::Relaxed);
    }
}
