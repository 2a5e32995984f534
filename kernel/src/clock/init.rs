//! Finds the sources, and starts the clock with the rate on which they agree.
use super::hpet::Hpet;
use super::pit::Pit;
use super::pm_timer::PmTimer;
use super::source::ClockSource;
use super::{faults, measure, now, wait};
use crate::arch::{self, TimerMeasurement};
use crate::platform::clock_tables;
use crate::report::verdict;
use clock_math::{
    Fault, Hz, Rule, Source, Vote, Winner, rate_from_hypervisor, rate_from_leaf_15h, rate_from_leaf_16h,
};
use spin::Once;

/// The counters that the time stamp counter can be measured against.
struct Sources {
    hpet: Option<Hpet>,
    pm_timer: Option<PmTimer>,
    pit: Option<Pit>,
    winner: Option<Winner>,
}

impl Sources {
    /// Drops the counter that breaks this rule, so that it does not take the time stamp counter's place.
    fn drop_faulty(&mut self, rule: Rule) {
        match rule {
            Rule::Hpet => self.hpet = None,
            Rule::PmTimer => self.pm_timer = None,
            Rule::Pit => self.pit = None,
            Rule::Cpuid | Rule::TscRate | Rule::TscCpus => {}
        }
    }
}

static SOURCES: Once<Sources> = Once::new();

/// The shortest measurement of the APIC's timer.
const TIMER_US: u64 = 1000;

/// Starts the clock. The boot CPU calls this once, with its APIC on and interrupts off, before anything waits or sleeps.
///
/// Without any plausible source, the verdict becomes a failure. Times then last as many ticks as on the fastest CPU.
pub fn init() {
    let sources = SOURCES.call_once(find_and_ask);
    match sources.winner {
        Some(winner) => log_winner(winner),
        None => {
            log::error!(target: "clock", "no source gives the time; waits and sleeps take far too long");
            verdict::fail();
        }
    }
    if !arch::has_invariant_tsc() {
        distrust_tsc(sources);
    }
}

/// Returns a working counter other than the source of the clock's rate, for the self-test. Returns `None` if there is none.
pub fn other_source() -> Option<&'static dyn ClockSource> {
    let sources = SOURCES.get()?;
    let used = sources.winner?.source;
    counters(sources).find(|other| other.source() != used && measure::rate_by(*other).is_ok())
}

/// Returns the HPET, if the machine has one that works.
pub fn hpet() -> Option<&'static Hpet> {
    SOURCES.get()?.hpet.as_ref()
}

fn counters(sources: &Sources) -> impl Iterator<Item = &dyn ClockSource> {
    let hpet = sources.hpet.as_ref().map(|it| it as &dyn ClockSource);
    let pm_timer = sources.pm_timer.as_ref().map(|it| it as &dyn ClockSource);
    let pit = sources.pit.as_ref().map(|it| it as &dyn ClockSource);
    [hpet, pm_timer, pit].into_iter().flatten()
}

/// Finds the counters, asks all sources until two agree, and sets the rate.
fn find_and_ask() -> Sources {
    let tables = clock_tables::get();
    let hpet =
        tables.hpet.and_then(|address| Hpet::start(address).inspect_err(|fault| faults::report(*fault)).ok());
    let pm_timer = tables.pm_timer.map(PmTimer::at);
    let mut sources = Sources { hpet, pm_timer, pit: Pit::start(), winner: None };
    let timer = TimerMeasurement::begin();
    let vote = arch::count_as_wait(|| ask(&sources));
    sources.winner = vote.winner();
    set_rate(sources.winner);
    arch::count_as_wait(|| {
        while timer.elapsed_ticks() < now::ticks_in_ns(TIMER_US * 1000) {
            core::hint::spin_loop();
        }
    });
    timer.end();
    for fault in vote.faults() {
        faults::report(fault);
        sources.drop_faulty(fault.rule());
    }
    sources
}

/// Asks one source after the other until two agree.
fn ask(sources: &Sources) -> Vote {
    let mut vote = Vote::new();
    let by_cpuid = [
        (Source::CpuidLeaf15, arch::cpuid(0x15).and_then(rate_from_leaf_15h)),
        (Source::Hypervisor, arch::cpuid(0x4000_0010).and_then(rate_from_hypervisor)),
        (Source::CpuidLeaf16, arch::cpuid(0x16).and_then(rate_from_leaf_16h)),
    ];
    for (source, rate) in by_cpuid {
        if let Some(hz) = rate {
            vote.add(source, Ok(hz));
        }
    }
    for counter in counters(sources) {
        if !vote.is_decided() {
            vote.add(counter.source(), measure::rate_by(counter));
        }
    }
    vote
}

fn set_rate(winner: Option<Winner>) {
    let hz = winner.map_or(Hz::FASTEST, |winner| winner.hz);
    now::set_rate(hz);
    arch::set_ticks_per_ms(hz.0.div_ceil(1000));
    if winner.is_some() {
        wait::set_has_clock();
    }
}

fn log_winner(Winner { source, hz, confirmed_by }: Winner) {
    match confirmed_by {
        Some(other) => {
            log::info!(target: "clock", "the time stamp counter has {hz}, by {source} and {other}");
        }
        None => log::info!(target: "clock", "the time stamp counter has {hz}, by {source} alone"),
    }
}

/// Uses the HPET in place of a time stamp counter whose rate may change. Under a hypervisor it does not: an emulator's counter is
/// steady, although CPUID does not say so.
fn distrust_tsc(sources: &'static Sources) {
    if arch::has_hypervisor() {
        log::debug!(target: "clock", "the time stamp counter is not said to be invariant");
        return;
    }
    faults::report(Fault::TscRate { hpet: sources.hpet.is_some() });
    if let Some(hpet) = &sources.hpet {
        now::use_hpet(hpet);
    }
}
