//! Starting the other CPUs, by the messages that the specification prescribes: INIT, a wait, startup messages (Intel SDM vol. 3
//! §9.4). The code that a CPU starts with is in `start_page.rs`.
use super::apic::{self, Message};
use super::start_page::{StartCpu, StartFrames, StartPage};
use clock_math::WaitOutcome;

/// The wait between the INIT messages of all CPUs and the first startup message.
const INIT_WAIT_US: u64 = 10_000;
/// The wait between a CPU's two startup messages.
const STARTUP_WAIT_US: u64 = 200;

/// Waits until the function returns true, or at least this many microseconds have passed.
pub type Wait<'a> = &'a dyn Fn(u64, &dyn Fn() -> bool) -> WaitOutcome;

/// Sends all CPUs the messages that start them. The CPUs need not wait for each other. `wait` does the waiting. `is_online`
/// returns true if the CPU with that index in `cpus` runs already, and needs no second startup message.
///
/// # Safety
/// - The frames are RAM, and nothing else uses them, now or later.
/// - Each [`StartCpu`] names a CPU that does not run, and the end of a mapped stack, aligned to 16 bytes, that nothing else uses,
///   now or later: a CPU may start at any time.
/// - `entry` may be called with the CPU's argument, on that CPU, on that stack.
pub unsafe fn start_cpus(
    frames: &StartFrames,
    entry: extern "C" fn(*const ()) -> !,
    cpus: &'static [StartCpu],
    is_online: &dyn Fn(usize) -> bool,
    wait: Wait<'_>,
) {
    // SAFETY: nothing else uses the frames, by the first condition of `# Safety`.
    unsafe { StartPage::write(frames, entry, cpus) };
    let startup = Message::Startup(frames.start_page.0 as u8);
    let reachable = || cpus.iter().enumerate().filter(|(_, cpu)| apic::reaches(cpu.apic));
    reachable().for_each(|(_, cpu)| apic::send(cpu.apic, Message::Init));
    // Without a clock, too, the waits are not too short.
    let _ = wait(INIT_WAIT_US, &|| false);
    for (index, cpu) in reachable() {
        apic::send(cpu.apic, startup);
        // Most CPUs come in this time. One that does not is waited for later, together with all the others.
        let _ = wait(STARTUP_WAIT_US, &|| is_online(index));
    }
    // A CPU that the first message has reached ignores the second one, even if it is not online yet.
    reachable().filter(|(index, _)| !is_online(*index)).for_each(|(_, cpu)| apic::send(cpu.apic, startup));
}
