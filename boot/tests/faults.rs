//! A kernel that breaks reports how, and its verdict is failure. It does not stay silent, reset or hang.
mod common;

use boot::{Machine, Run, Verdict};
use common::boot;

/// Boots with an injected fault and asserts that the only verdict is failure.
#[track_caller]
fn broken(kind: &str) -> Run {
    let run = boot(&Machine::two_nodes().parameters(&format!("fault={kind}")), Verdict::Failure);
    let exits: Vec<bool> =
        run.events.iter().filter(|event| event["event"] == "exit").map(|event| event["ok"] == true).collect();
    assert_eq!(exits, [false], "{}", run.serial);
    run
}

#[track_caller]
fn assert_says(run: &Run, words: &[&str]) {
    let serial = run.serial.to_lowercase();
    for word in words {
        assert!(serial.contains(word), "nothing says {word:?}\n{}", run.serial);
    }
}

#[test]
fn a_panic_is_failure_and_says_where() {
    assert_says(&broken("panic"), &["panic", ".rs:"]);
}

#[test]
fn a_page_fault_is_failure_and_says_where() {
    assert_says(
        &broken("page"),
        &["page fault (vector 14)", "error code", "at instruction", "address", "on cpu 0", "thread"],
    );
}

#[test]
fn a_stack_overflow_is_failure_and_names_the_thread() {
    assert_says(&broken("stack"), &["stack overflow of thread boot"]);
}

#[test]
fn an_invalid_instruction_is_failure() {
    assert_says(&broken("invalid"), &["invalid opcode"]);
}
