//! The place of the running code, for reports: its CPU and its task.
use crate::cpu::{self, Hook};
use core::fmt;

/// Writes something about the task that the running CPU runs.
pub type Describe = fn(&mut fmt::Formatter<'_>) -> fmt::Result;

static NAME: Hook<Describe> = Hook::new();
static DETAILS: Hook<Describe> = Hook::new();

/// Registers how the running task is described: `name` writes its kind and name, as "thread boot"; `details` writes what
/// follows the CPU's number in a line, as ", thread 1 (boot)".
pub fn describe_task_with(name: Describe, details: Describe) {
    NAME.set(name);
    DETAILS.set(details);
}

/// The running CPU and its task, as in "CPU 0, thread 1 (boot)".
pub struct Place;

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CPU {}", cpu::current().id)?;
        DETAILS.get().map_or(Ok(()), |details| details(out))
    }
}

/// The running task's name, as in "thread boot".
pub struct TaskName;

impl fmt::Display for TaskName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAME.get() {
            Some(name) => name(out),
            None => out.write_str("the boot"),
        }
    }
}
