//! fuzz_exports: one thread on each CPU, and timers, call the kernel's functions at random, with right, wrong, stale and foreign arguments. Each
//! thread knows what it was granted. Each answer is compared with the contract (docs/driver-abi.md), and what was granted with what the
//! thread has written there. At the end everything is given back.
//!
//! The driver `hostages` is loaded already: it has one thing of each kind, which this driver must not get hold of, and the number of the
//! round. A thread's choices follow from seed, round and the thread's number; how the CPUs' calls interleave does not.
#![no_std]

mod about_driver;
mod addresses;
mod callbacks;
mod devices;
mod dma;
mod heap;
mod hostages;
mod interfaces;
mod numa;
mod pages;
mod per_cpu;
mod random;
mod requests;
mod threads;
mod time;
mod worker;

use driver_kit::abi;
use driver_kit::driver::Refusal;
use hostages::Hostages;

driver_kit::driver! { init = start }

fn start() -> Result<(), Refusal> {
    let hostages = Hostages::find().ok_or(Refusal(-1))?;
    let round = hostages.next_round();
    interfaces::publish_own();
    let calls = worker::run_all(hostages, round).ok_or(Refusal(-2))?;
    if !about_driver::has_nothing_left() {
        worker::failed(format_args!("this does not hold: the driver has nothing left, say its statistics"));
    }
    hostages.release();
    match worker::failures() {
        0 => {
            driver_kit::info!("round {round}: {calls} calls, every answer is right");
            Ok(())
        }
        failures => Err(Refusal(i32::try_from(failures).unwrap_or(i32::MAX))),
    }
}

/// Returns the number of CPUs.
fn cpus() -> usize {
    // SAFETY: the function takes no arguments.
    unsafe { abi::Kernel_GetCpuCount() as usize }
}

/// Returns the number of nodes.
fn nodes() -> i32 {
    // SAFETY: the function takes no arguments.
    unsafe { abi::Kernel_GetNumaNodeCount() }
}
