//! Starting the other CPUs, by the messages that the specification prescribes: INIT, a wait, startup messages (Intel SDM vol. 3
//! §9.4). The code that a CPU starts with is in `start_page.rs`.
use super::apic::{self, Message};
use super::start_page::{StartCpu, StartFrames, StartPage};
use clock_math::WaitOutcome;
use units::ApicId;

/// The wait between the INIT messages of all CPUs and the first startup message.
const INIT_WAIT_US: u64 = 10_000;
/// The wait between a CPU's two startup messages.
const STARTUP_WAIT_US: u64 = 200;
/// How long the kernel waits for a CPU to come online after its second startup message.
const ONLINE_TIMEOUT_US: u64 = 5_000_000;
/// How long the kernel waits for all CPUs together that do not come online. Then each further CPU has [`SHORT_TIMEOUT_US`]:
/// firmware may list hundreds of CPUs that do not exist.
const PATIENCE_US: u64 = 10_000_000;
/// How long the kernel waits for a CPU when the patience is used up.
const SHORT_TIMEOUT_US: u64 = 100_000;

/// Waits until the function returns true, or at least this many microseconds have passed.
pub type Wait<'a> = &'a dyn Fn(u64, &dyn Fn() -> bool) -> WaitOutcome;

/// Starts CPUs, one after the other. `wait` does the waiting. `online` returns true if the CPU with that index in `cpus` has come
/// online. For each CPU, the function calls `report` once, with the CPU's index and whether it is online.
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
    let mut patience = PATIENCE_US;
    for (index, cpu) in cpus.iter().enumerate() {
        let is_online = apic::reaches(cpu.apic) && {
            page.prepare(cpu);
            start(cpu.apic, startup, &mut patience, &|| online(index), wait)
        };
        report(index, is_online);
    }
}

/// Sends the startup messages to one CPU, and waits for it. Returns true if it comes online. `patience` is how long the kernel
/// still waits for CPUs that do not come, in microseconds.
fn start(
    cpu: ApicId,
    startup: Message,
    patience: &mut u64,
    online: &dyn Fn() -> bool,
    wait: Wait<'_>,
) -> bool {
    apic::send(cpu, startup);
    if wait(STARTUP_WAIT_US, online) == WaitOutcome::Done {
        return true;
    }
    apic::send(cpu, startup);
    let timeout = ONLINE_TIMEOUT_US.min(*patience).max(SHORT_TIMEOUT_US);
    let is_online = wait(timeout, online) == WaitOutcome::Done;
    if !is_online {
        *patience = patience.saturating_sub(timeout);
        // A CPU that starts late would use the next CPU's stack. INIT stops it.
        apic::send(cpu, Message::Init);
    }
    is_online
}
