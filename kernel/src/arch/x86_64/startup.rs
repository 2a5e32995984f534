//! Starting the other CPUs, by the messages that the specification prescribes: INIT, a wait, startup messages (Intel SDM vol. 3
//! §9.4). The code that a CPU starts with is in `start_page.rs`.
use super::apic::{self, Message};
use super::start_page::{StartCpu, StartFrames, StartPage};
use arrayvec::ArrayVec;
use clock_math::WaitOutcome;
use topology::MAX_CPUS;
use units::ApicId;

/// The wait between the INIT messages of all CPUs and the first startup message.
const INIT_WAIT_US: u64 = 10_000;
/// The wait between a CPU's two startup messages.
const STARTUP_WAIT_US: u64 = 200;
/// How long the kernel waits in the first round for a CPU to come online after its second startup message.
const FIRST_TIMEOUT_US: u64 = 100_000;
/// How long the kernel waits in the second round, for all CPUs together that did not come online in the first round. They share
/// the time, because firmware may list hundreds of CPUs that do not exist.
const SECOND_ROUND_US: u64 = 4_000_000;
/// The shortest wait for a CPU in the second round, however many CPUs share the time.
const SECOND_TIMEOUT_US: u64 = 20_000;

/// Waits until the function returns true, or at least this many microseconds have passed.
pub type Wait<'a> = &'a dyn Fn(u64, &dyn Fn() -> bool) -> WaitOutcome;

/// Starts CPUs, one after the other. `wait` does the waiting. `online` returns true if the CPU with that index in `cpus` has come
/// online. For each CPU, the function calls `report` once, with the CPU's index and whether it is online.
///
/// A CPU that does not come online soon gets a second chance after all others, because a CPU of a busy emulator may be slow. There
/// are at most [`MAX_CPUS`] CPUs.
///
/// # Safety
/// - The frames are RAM, and nothing else uses them, now or later.
/// - Each [`StartCpu`] names a CPU that does not run, and the end of a mapped stack, aligned to 16 bytes, that nothing else uses.
/// - `entry` may be called with the CPU's argument, on that CPU, on that stack.
pub unsafe fn start_cpus(
    frames: &StartFrames,
    entry: extern "C" fn(*const ()) -> !,
    cpus: &[StartCpu],
    online: &dyn Fn(usize) -> bool,
    wait: Wait<'_>,
    report: &mut dyn FnMut(usize, bool),
) {
    // SAFETY: nothing else uses the frames, by the first condition of `# Safety`.
    let page = unsafe { StartPage::write(frames, entry) };
    let startup = Message::Startup(frames.start_page.0 as u8);
    for cpu in cpus.iter().filter(|cpu| apic::reaches(cpu.apic)) {
        apic::send(cpu.apic, Message::Init);
    }
    // Without a clock, too, the wait is not too short.
    let _ = wait(INIT_WAIT_US, &|| false);
    let start_one = |index: usize, timeout_us| {
        let cpu: &StartCpu = &cpus[index];
        page.prepare(cpu);
        start(cpu.apic, startup, timeout_us, &|| online(index), wait)
    };
    let mut silent = ArrayVec::<usize, MAX_CPUS>::new();
    for (index, cpu) in cpus.iter().enumerate() {
        if !apic::reaches(cpu.apic) {
            report(index, false);
        } else if start_one(index, FIRST_TIMEOUT_US) {
            report(index, true);
        } else {
            silent.push(index);
        }
    }
    let timeout_us = SECOND_TIMEOUT_US.max(SECOND_ROUND_US / silent.len().max(1) as u64);
    for index in silent {
        // If the CPU came online just when its time was over, INIT has stopped it.
        report(index, !online(index) && start_one(index, timeout_us));
    }
}

/// Sends the startup messages to one CPU, and waits for it. Returns true if it comes online.
fn start(cpu: ApicId, startup: Message, timeout_us: u64, online: &dyn Fn() -> bool, wait: Wait<'_>) -> bool {
    apic::send(cpu, startup);
    if wait(STARTUP_WAIT_US, online) == WaitOutcome::Done {
        return true;
    }
    apic::send(cpu, startup);
    let is_online = wait(timeout_us, online) == WaitOutcome::Done;
    if !is_online {
        // A CPU that starts late would use the next CPU's stack. INIT stops it.
        apic::send(cpu, Message::Init);
    }
    is_online
}
