//! The NMI timer: a comparator of the HPET that interrupts one CPU at regular times, also where that has interrupts off.
//!
//! It sends messages if it can. Otherwise it has an input of the I/O APIC to itself. The HPET's main counter, which may be the clock, goes on
//! undisturbed.
use super::{interrupt_lines, interrupt_routes, io_apics, pci_scan};
use crate::arch;
use crate::clock::{self, ClockSource, Comparator, PulseTarget};
use crate::cpu::Cpu;
use crate::platform::interrupt_tables;
use clock_math::{Pulses, WaitOutcome};
use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The first line that no interrupt of the ISA bus has.
const FIRST_BEYOND_ISA: u32 = 16;
/// The interrupt of the PIT on the ISA bus.
const PIT: u8 = 0;
/// From the start to the first interrupt.
const FIRST_US: u64 = 1000;
/// How long the start waits for the first interrupt. A busy host may stop an emulator for as long.
const PATIENCE_US: u64 = 300_000;
/// For how many of the first periods every non-maskable interrupt counts as one of the timer: the PIT may have raised one before it was stopped.
const LENIENT: u16 = 3;

/// The steps of the HPET's counter in a period; 0 while there is no timer.
static PERIOD: AtomicU32 = AtomicU32::new(0);
/// As [`Pulses::to_bits`] gives it. It changes in the timer's interrupt.
static PULSES: AtomicU64 = AtomicU64::new(0);

/// Why there is no NMI timer.
#[derive(Clone, Copy)]
pub enum NoNmiTimer {
    /// The machine has no HPET, or a faulty one.
    NoHpet,
    /// The HPET has no comparator that interrupts again and again.
    NoComparator,
    /// The HPET cannot send messages, and has no input of the I/O APIC to itself.
    NoInput,
    /// The comparator, or the I/O APIC, does not keep what is written.
    NotKept,
    /// The first interrupt did not come.
    Silent,
}

impl fmt::Display for NoNmiTimer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoHpet => "there is no HPET",
            Self::NoComparator => "the HPET has no periodic comparator",
            Self::NoInput => "the HPET shares its inputs of the I/O APIC with devices",
            Self::NotKept => "the HPET or the I/O APIC does not keep its settings",
            Self::Silent => "the interrupts of the HPET do not arrive",
        })
    }
}

/// Starts the timer, once, for a CPU that runs. [`take_interrupt`] is called in non-maskable interrupts from now on. Returns how they leave the
/// HPET.
///
/// # Errors
/// [`NoNmiTimer`].
pub fn start(cpu: &Cpu, period_ms: u64) -> Result<PulseTarget, NoNmiTimer> {
    let hpet = clock::hpet().ok_or(NoNmiTimer::NoHpet)?;
    hpet.silence();
    let period = u32::try_from(hpet.counter().steps_in_us(period_ms * 1000)).unwrap_or(u32::MAX);
    let comparators = || hpet.comparators().filter(Comparator::has_periodic);
    let mut outcome = Err(NoNmiTimer::NoComparator);
    for comparator in comparators().filter(Comparator::has_messages) {
        if let Some(message) = arch::non_maskable_message_to(cpu.apic) {
            outcome = attempt(&comparator, PulseTarget::Message(message), period);
        }
        if outcome.is_ok() {
            return outcome;
        }
    }
    for comparator in comparators() {
        outcome = at_input(&comparator, cpu, period);
        if outcome.is_ok() {
            return outcome;
        }
    }
    outcome
}

/// Starts the timer with this comparator, and an input of the I/O APIC.
fn at_input(comparator: &Comparator, cpu: &Cpu, period: u32) -> Result<PulseTarget, NoNmiTimer> {
    let input = keep_input(comparator.inputs()).ok_or(NoNmiTimer::NoInput)?;
    let outcome = if io_apics::route_non_maskable(input, cpu.apic) {
        io_apics::set_masked(input, false);
        attempt(comparator, PulseTarget::Input(input), period)
    } else {
        Err(NoNmiTimer::NotKept)
    };
    if outcome.is_err() {
        io_apics::set_masked(input, true);
        interrupt_lines::give_back();
    }
    outcome
}

/// Keeps one of these inputs, a bit for each, from devices: one that the pin of no function leads to, or that of the PIT, which is stopped.
/// What else interrupts on the ISA bus is not known.
fn keep_input(inputs: u32) -> Option<u32> {
    let lines = pci_scan::functions().iter().filter(|located| located.function.pin != 0);
    let lines = lines.filter_map(|located| interrupt_routes::line_of(&located.function).ok());
    let of_devices = lines.fold(0, |all, line| all | 1_u32.checked_shl(line).unwrap_or(0));
    let is_free = |input: &u32| inputs & !of_devices & 1 << input != 0 && interrupt_lines::keep(*input);
    (FIRST_BEYOND_ISA..u32::BITS).find(is_free).or_else(|| {
        let line = interrupt_tables::isa_line(PIT).map(|line| line.interrupt);
        let input = line.filter(|line| *line < FIRST_BEYOND_ISA).filter(is_free);
        input.inspect(|_| arch::stop_pit_interrupts())
    })
}

/// Starts the comparator, and waits for its first interrupt. Stops it again if that does not come.
fn attempt(comparator: &Comparator, target: PulseTarget, period: u32) -> Result<PulseTarget, NoNmiTimer> {
    let hpet = clock::hpet().ok_or(NoNmiTimer::NoHpet)?;
    let first = (hpet.read() + hpet.counter().steps_in_us(FIRST_US)) as u32;
    PULSES.store(Pulses::starting_at(first, period, LENIENT).to_bits(), Ordering::Relaxed);
    PERIOD.store(period, Ordering::Relaxed);
    let has_begun = || Pulses::from_bits(PULSES.load(Ordering::Relaxed)).have_reached(first);
    let outcome = if !comparator.start(target, first, period) {
        Err(NoNmiTimer::NotKept)
    } else if clock::wait_until(PATIENCE_US, &has_begun) == WaitOutcome::Done {
        Ok(target)
    } else {
        Err(NoNmiTimer::Silent)
    };
    if outcome.is_err() {
        comparator.stop();
        PERIOD.store(0, Ordering::Relaxed);
    }
    outcome
}

/// Returns true if the non-maskable interrupt in which this is called is the timer's: the HPET's counter has reached the end of a period since
/// the last one.
pub fn take_interrupt() -> bool {
    let period = PERIOD.load(Ordering::Relaxed);
    let Some(hpet) = clock::hpet().filter(|_| period != 0) else { return false };
    let pulses = Pulses::from_bits(PULSES.load(Ordering::Relaxed));
    let next = pulses.after_interrupt(hpet.read() as u32, period);
    if let Some(next) = next {
        PULSES.store(next.to_bits(), Ordering::Relaxed);
    }
    next.is_some()
}
