//! Interrupts that nobody expects: each is counted.
use super::Outcome;
use crate::arch;
use crate::cpu::interrupts;
use alloc::format;

/// A vector that nothing uses.
const VECTOR: u8 = 0x70;
const TIMES: u64 = 3;
/// How often the test looks for an interrupt that it has sent to its own CPU.
const PATIENCE: u32 = 1_000_000;

/// Sends its own CPU interrupts that have no handler.
pub fn without_handler_are_counted() -> Outcome {
    interrupts::keep_unlogged(VECTOR);
    let before = interrupts::unexpected(VECTOR);
    for sent in 1..=TIMES {
        arch::interrupt_this_cpu(VECTOR);
        // Two of one vector would become one, so each is waited for.
        let arrived = || interrupts::unexpected(VECTOR) - before;
        if !(0..PATIENCE).any(|_| arrived() == sent) {
            return Err(format!("of {sent} interrupts, {} were counted", arrived()));
        }
    }
    Ok(())
}
