//! The place of the running code, for reports: its CPU and its task.
use crate::cpu::{self, Hook};
use core::fmt;
use units::VirtAddr;

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

/// Code that is not the kernel's.
pub struct ForeignCode {
    /// The driver's name.
    pub driver: &'static str,
    /// The offset in the driver's image, which is that in the driver's file for tools such as objdump.
    pub offset: u64,
    /// The driver's file, if it is in memory.
    pub file: Option<&'static [u8]>,
}

static CODE: Hook<fn(VirtAddr) -> Option<ForeignCode>> = Hook::new();

/// Registers the function that finds the driver to which the code at an address belongs. It takes no lock and allocates nothing.
pub fn find_code_with(find: fn(VirtAddr) -> Option<ForeignCode>) {
    CODE.set(find);
}

/// Returns the driver to which the code at this address belongs, or `None` if it is not known to be a driver's.
pub fn driver_code(address: VirtAddr) -> Option<ForeignCode> {
    CODE.get()?(address)
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
